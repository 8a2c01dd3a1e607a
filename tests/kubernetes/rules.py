"""What the schemas cannot know: that the objects fit each other, and the programs. Each rule returns its faults."""

import re
from collections.abc import Callable, Iterator, Mapping
from math import ceil

from pydantic import ValidationError

from server.settings import PrmSettings, Settings
from tests.deploy.reading import gateway_settings, prm_settings

from .rendering import Object, called, container, labels, of, one, pod, variables

CLOSING = 5
"""Seconds that a server takes, beyond its longest request, to close what is open (server/web/process.py)."""

MARGIN = 5

EXPECTED_SECRETS = {
    "cogitate-keys",
    "cogitate-redis",
    "cogitate-upstream",
    "cogitate-metrics-key",
    "cogitate-hugging-face",
    "hugging-face",
}
"""Those that docs/kubernetes.md tells the operator to make."""


def settings(objects: list[Object], workload: Object) -> Settings | PrmSettings | None:
    """Return what the program in a workload makes of its environment; None for somebody else's program."""
    found = variables(objects, workload)
    ours = {name: value for name, value in found.items() if name.startswith("COGITATE_")}
    match container(workload).get("args", [])[:2]:
        case ["cogitate", "serve"]:
            return gateway_settings(ours)
        case ["cogitate", "prm"]:
            return prm_settings(ours)
        case _:
            return None


def variables_are_settings(objects: list[Object]) -> Iterator[str]:
    """Every variable of ours is a setting, with a value that the program takes."""
    for workload in of(objects, "Deployment"):
        try:
            settings(objects, workload)
        except (AssertionError, ValidationError) as fault:
            yield f"{called(workload)}: {fault}"


def ports_are_where_the_programs_listen(objects: list[Object]) -> Iterator[str]:
    """The named port of a container of ours is the one its program opens, on all addresses."""
    for workload in of(objects, "Deployment"):
        told = settings(objects, workload)
        if told is None:
            continue
        host, port = (told.host, told.port) if isinstance(told, Settings) else (told.listen_host, told.listen_port)
        if host != "0.0.0.0":  # noqa: S104 - the container's own
            yield f"{called(workload)}: listens on {host}"
        if port not in [p["containerPort"] for p in container(workload)["ports"]]:
            yield f"{called(workload)}: listens on {port}, which is not among its ports"


def probes_are_asked_on_ports_that_exist(objects: list[Object]) -> Iterator[str]:
    """Each workload is probed for life and readiness, by ports of its container."""
    for workload in of(objects, "Deployment"):
        names = {p["name"] for p in container(workload)["ports"]}
        for kind in ("livenessProbe", "readinessProbe"):
            probe = container(workload).get(kind)
            if probe is None:
                yield f"{called(workload)}: no {kind}"
            elif (http := probe.get("httpGet")) and http["port"] not in names:
                yield f"{called(workload)}: {kind} asks port {http['port']}"


def pods_are_given_the_time_they_take_to_stop(objects: list[Object]) -> Iterator[str]:
    """The grace period is longer than drain, longest request and closing together."""
    for workload in of(objects, "Deployment"):
        told = settings(objects, workload)
        if told is None:
            continue
        longest = told.max_deadline if isinstance(told, Settings) else told.max_read_seconds
        needed = ceil(told.drain_seconds + longest) + CLOSING + MARGIN
        given = pod(workload).get("terminationGracePeriodSeconds", 30)
        if given < needed:
            yield f"{called(workload)}: {given} s to stop, and it may take {needed} s"
        if not told.drain_seconds:
            yield f"{called(workload)}: stops before anybody knows that it does"


def service_links_are_off(objects: list[Object]) -> Iterator[str]:
    """No Service's address comes into the environment under a name that is a setting: COGITATE_PORT would."""
    for workload in of(objects, "Deployment"):
        if pod(workload).get("enableServiceLinks") is not False:
            yield f"{called(workload)}: variables such as COGITATE_PORT would be overwritten"


def containers_have_no_rights_they_do_not_need(objects: list[Object]) -> Iterator[str]:
    """Pods of ours run as somebody, on a file system that cannot be written, and cannot become more."""
    for workload in of(objects, "Deployment"):
        rights, all_of = container(workload).get("securityContext", {}), pod(workload).get("securityContext", {})
        wanted = {
            "no privilege escalation": rights.get("allowPrivilegeEscalation") is False,
            "no capabilities": rights.get("capabilities", {}).get("drop") == ["ALL"],
            "the runtime's seccomp profile": all_of.get("seccompProfile") == {"type": "RuntimeDefault"},
            "no token": pod(workload).get("automountServiceAccountToken") is False,
        }
        if labels(workload)["app.kubernetes.io/name"] != "vllm":  # whose image runs as root, and writes
            wanted["a read-only file system"] = rights.get("readOnlyRootFilesystem") is True
            wanted["a user"] = all_of.get("runAsNonRoot") is True and all_of.get("runAsUser", 0) > 0
        yield from (f"{called(workload)}: {right} is missing" for right, there in wanted.items() if not there)


def selectors_find_pods(objects: list[Object]) -> Iterator[str]:
    """Whatever selects pods here finds some, by the labels that their template has."""
    pods = [labels(workload) for workload in of(objects, "Deployment")]
    for found in objects:
        if (selector := _selector(found)) and not any(selector.items() <= each.items() for each in pods):
            yield f"{called(found)}: selects no pod by {selector}"
    for monitor in of(objects, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        services = [s for s in of(objects, "Service") if wanted.items() <= s["metadata"].get("labels", {}).items()]
        ports = {p["name"] for s in services for p in s["spec"]["ports"]}
        elsewhere = "namespaceSelector" in monitor["spec"] or monitor["metadata"]["name"] == "cogitate-prm"
        if not services and not elsewhere:
            yield f"{called(monitor)}: selects no Service by {wanted}"
        if services and not {e["port"] for e in monitor["spec"]["endpoints"]} <= ports:
            yield f"{called(monitor)}: names a port that the Service has not"


def _selector(found: Object) -> Mapping[str, str] | None:
    spec = found.get("spec", {})
    match found["kind"]:
        case "Service":
            return spec["selector"]
        case "NetworkPolicy":
            return spec["podSelector"].get("matchLabels")
        case "PodDisruptionBudget" | "Deployment":
            return spec["selector"]["matchLabels"]
        case _:
            return None


def references_exist(objects: list[Object]) -> Iterator[str]:
    """What is named is there, or is a Secret that the operator is told to make."""
    for workload in of(objects, "Deployment"):
        for kind, name in _references(workload):
            if kind == "Secret":
                there = name in EXPECTED_SECRETS
            else:
                there = any(o["metadata"]["name"] == name for o in of(objects, kind))
            if not there:
                yield f"{called(workload)}: names {kind}/{name}, which is not there"


def targets_exist(objects: list[Object]) -> Iterator[str]:
    """Autoscalers scale, and routes lead to, what is there."""
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for scaler in of(objects, kind):
            target = scaler["spec"]["scaleTargetRef"]["name"]
            if not any(w["metadata"]["name"] == target for w in of(objects, "Deployment")):
                yield f"{called(scaler)}: scales {target}, which is not there"
    for route in of(objects, "HTTPRoute"):
        for backend in (b for rule in route["spec"]["rules"] for b in rule["backendRefs"]):
            ports = [p["port"] for s in of(objects, "Service") if s["metadata"]["name"] == backend["name"]
                     for p in s["spec"]["ports"]]  # fmt: skip
            if backend["port"] not in ports:
                yield f"{called(route)}: leads to {backend['name']}:{backend['port']}, which is not there"


def _references(workload: Object) -> Iterator[tuple[str, str]]:
    for source in container(workload).get("envFrom", ()):
        yield "ConfigMap", source["configMapRef"]["name"]
    for variable in container(workload).get("env", ()):
        if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
            yield "Secret", reference["name"]
    for volume in pod(workload).get("volumes", ()):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    if account := pod(workload).get("serviceAccountName"):
        yield "ServiceAccount", account


def ports_of_services_exist(objects: list[Object]) -> Iterator[str]:
    """Services and network policies name ports by the names that containers have."""
    names = {p["name"] for w in of(objects, "Deployment") for p in container(w)["ports"]}
    for service in of(objects, "Service"):
        targets = {port["targetPort"] for port in service["spec"]["ports"]}
        yield from (f"{called(service)}: leads to port {target}" for target in targets - names)
    for policy in of(objects, "NetworkPolicy"):
        ports = {p["port"] for rule in policy["spec"].get("ingress", ()) for p in rule["ports"]}
        yield from (f"{called(policy)}: lets in port {port}" for port in ports - names)


def mounts_have_volumes(objects: list[Object]) -> Iterator[str]:
    """Every mount has its volume, and settings that are files lie in one."""
    for workload in of(objects, "Deployment"):
        mounts = {m["name"]: m["mountPath"] for m in container(workload).get("volumeMounts", ())}
        if mounts.keys() != {v["name"] for v in pod(workload).get("volumes", ())}:
            yield f"{called(workload)}: its mounts are not its volumes"
        told = settings(objects, workload)
        if isinstance(told, Settings):
            if told.keys is None:
                yield f"{called(workload)}: asks nobody for a key"
            elif str(told.keys.parent) not in mounts.values():
                yield f"{called(workload)}: {told.keys} lies in no volume"


def the_network_lets_through_what_settings_name(objects: list[Object]) -> Iterator[str]:
    """The gateways' pods may leave to each port that their settings name, and everybody else may not."""
    policies = of(objects, "NetworkPolicy")
    if not any(
        p["spec"]["podSelector"] == {} and set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"} for p in policies
    ):
        yield "nothing is denied by default"
    for workload in of(objects, "Deployment"):
        told = settings(objects, workload)
        if not isinstance(told, Settings):
            continue
        own = [
            p for p in policies if p["spec"]["podSelector"].get("matchLabels", {}).items() <= labels(workload).items()
        ]
        open_to = {port["port"] for p in own for rule in p["spec"].get("egress", ()) for port in rule.get("ports", ())}
        wanted = {int(found[1]) for url in told.scorers if (found := re.search(r":(\d+)", url))}
        wanted |= {6379} | ({8000} if told.generators else set()) | ({4318} if told.traces == "otlp" else set())
        yield from (f"{called(workload)}: nothing lets it out to port {port}" for port in sorted(wanted - open_to))


def two_gateways_survive_one(objects: list[Object]) -> Iterator[str]:
    """There are two at least, of which one at a time may be taken away."""
    gateway = one(objects, "Deployment", "cogitate")
    scalers = of(objects, "HorizontalPodAutoscaler") + of(objects, "ScaledObject")
    least = [s["spec"].get("minReplicas", s["spec"].get("minReplicaCount", 0)) for s in scalers]
    if len(scalers) > 1:
        yield "two autoscalers"
    if scalers and "replicas" in gateway["spec"]:
        yield "Deployment/cogitate: has a number of replicas, and an autoscaler"
    if (min(least) if least else gateway["spec"].get("replicas", 1)) < 2:
        yield "fewer than two gateways"
    if gateway["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
        yield "a rollout takes a gateway away before the next one is there"
    (budget,) = (b for b in of(objects, "PodDisruptionBudget") if b["metadata"]["name"] == "cogitate")
    if budget["spec"].get("maxUnavailable") != 1:
        yield "a drained node may take more than one gateway"


EVERYWHERE: tuple[Callable[[list[Object]], Iterator[str]], ...] = (
    variables_are_settings,
    ports_are_where_the_programs_listen,
    probes_are_asked_on_ports_that_exist,
    pods_are_given_the_time_they_take_to_stop,
    service_links_are_off,
    containers_have_no_rights_they_do_not_need,
    selectors_find_pods,
    references_exist,
    targets_exist,
    ports_of_services_exist,
    mounts_have_volumes,
)
GATEWAYS = (the_network_lets_through_what_settings_name, two_gateways_survive_one)
