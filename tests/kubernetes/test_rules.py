"""The objects fit each other and the programs, and each rule finds the manifest that breaks it."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from tests.deploy import reading

from . import rules
from .rendering import TARGETS, Object, container, of, one, pod, render

Rule = Callable[[list[Object]], Iterator[str]]
Break = Callable[[list[Object]], object]

PRODUCTION = "overlays/production"


def named(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rule", rules.EVERYWHERE, ids=named)
def test_every_target_keeps_the_rule(rule: Rule, target: str) -> None:
    assert list(rule(render(target))) == []


@pytest.mark.parametrize("target", [t for t in TARGETS if t.startswith("overlays")])
@pytest.mark.parametrize("rule", rules.GATEWAYS, ids=named)
def test_every_overlay_keeps_the_rule(rule: Rule, target: str) -> None:
    assert list(rule(render(target))) == []


def gateway(objects: list[Object]) -> Object:
    return one(objects, "Deployment", "cogitate")


def setting(objects: list[Object], name: str, value: str | None) -> None:
    (found,) = (c for c in of(objects, "ConfigMap") if c["metadata"]["name"].startswith("cogitate-settings"))
    if value is None:
        del found["data"][name]
    else:
        found["data"][name] = value


def spec(objects: list[Object], kind: str, name: str = "cogitate") -> Object:
    return one(objects, kind, name)["spec"]


def without(objects: list[Object], kind: str, name: str) -> None:
    objects.remove(one(objects, kind, name))


BROKEN: tuple[tuple[str, Rule, Break], ...] = (
    ("misspelt", rules.variables_are_settings, lambda o: setting(o, "COGITATE_GENERATOR", "http://x:8000")),
    ("nonsense", rules.variables_are_settings, lambda o: setting(o, "COGITATE_MAX_DEADLINE", "soon")),
    ("loopback", rules.ports_are_where_the_programs_listen, lambda o: setting(o, "COGITATE_HOST", "127.0.0.1")),
    ("port", rules.ports_are_where_the_programs_listen, lambda o: setting(o, "COGITATE_PORT", "9000")),
    (
        "no readiness",
        rules.probes_are_asked_on_ports_that_exist,
        lambda o: container(gateway(o)).pop("readinessProbe"),
    ),
    (
        "a port that is none",
        rules.probes_are_asked_on_ports_that_exist,
        lambda o: container(gateway(o))["livenessProbe"]["httpGet"].update(port="web"),
    ),
    (
        "the default grace",
        rules.pods_are_given_the_time_they_take_to_stop,
        lambda o: pod(gateway(o)).pop("terminationGracePeriodSeconds"),
    ),
    (
        "a longer deadline",
        rules.pods_are_given_the_time_they_take_to_stop,
        lambda o: setting(o, "COGITATE_MAX_DEADLINE", "120"),
    ),
    (
        "no drain",
        rules.pods_are_given_the_time_they_take_to_stop,
        lambda o: setting(o, "COGITATE_DRAIN_SECONDS", None),
    ),
    ("links", rules.service_links_are_off, lambda o: pod(gateway(o)).pop("enableServiceLinks")),
    (
        "root",
        rules.containers_have_no_rights_they_do_not_need,
        lambda o: pod(gateway(o))["securityContext"].update(runAsUser=0),
    ),
    (
        "a file system that is written",
        rules.containers_have_no_rights_they_do_not_need,
        lambda o: container(gateway(o))["securityContext"].update(readOnlyRootFilesystem=False),
    ),
    (
        "a service without pods",
        rules.selectors_find_pods,
        lambda o: spec(o, "Service")["selector"].update({"app.kubernetes.io/name": "cogito"}),
    ),
    (
        "a budget without pods",
        rules.selectors_find_pods,
        lambda o: spec(o, "PodDisruptionBudget")["selector"]["matchLabels"].update(tier="front"),
    ),
    (
        "a monitor without a service",
        rules.selectors_find_pods,
        lambda o: spec(o, "ServiceMonitor")["selector"]["matchLabels"].update(tier="front"),
    ),
    (
        "a monitor of another port",
        rules.selectors_find_pods,
        lambda o: spec(o, "ServiceMonitor")["endpoints"][0].update(port="metrics"),
    ),
    ("a secret nobody makes", rules.references_exist, lambda o: _secret(o, "cogitate-key")),
    ("no volume claim", rules.references_exist, lambda o: without(o, "PersistentVolumeClaim", "cogitate-prm-models")),
    (
        "a scaler of nothing",
        rules.targets_exist,
        lambda o: spec(o, "HorizontalPodAutoscaler")["scaleTargetRef"].update(name="gateway"),
    ),
    (
        "a route to nowhere",
        rules.targets_exist,
        lambda o: spec(o, "HTTPRoute")["rules"][0]["backendRefs"][0].update(port=8000),
    ),
    (
        "a target port that is none",
        rules.ports_of_services_exist,
        lambda o: spec(o, "Service")["ports"][0].update(targetPort="web"),
    ),
    (
        "an opening to nothing",
        rules.ports_of_services_exist,
        lambda o: spec(o, "NetworkPolicy", "gateway")["ingress"][0]["ports"][0].update(port="web"),
    ),
    ("a mount without a volume", rules.mounts_have_volumes, lambda o: pod(gateway(o))["volumes"].pop()),
    ("no keys", rules.mounts_have_volumes, lambda o: setting(o, "COGITATE_KEYS", None)),
    ("keys elsewhere", rules.mounts_have_volumes, lambda o: setting(o, "COGITATE_KEYS", "/etc/keys.json")),
    (
        "nothing denied",
        rules.the_network_lets_through_what_settings_name,
        lambda o: without(o, "NetworkPolicy", "default-deny"),
    ),
    (
        "no way to the pool",
        rules.the_network_lets_through_what_settings_name,
        lambda o: without(o, "NetworkPolicy", "gateway-to-pool"),
    ),
    (
        "a scorer on another port",
        rules.the_network_lets_through_what_settings_name,
        lambda o: setting(o, "COGITATE_SCORERS", "http://cogitate-prm:8101"),
    ),
    (
        "one is enough",
        rules.two_gateways_survive_one,
        lambda o: spec(o, "HorizontalPodAutoscaler").update(minReplicas=1),
    ),
    ("two masters", rules.two_gateways_survive_one, lambda o: spec(o, "Deployment").update(replicas=2)),
    (
        "a rollout with a gap",
        rules.two_gateways_survive_one,
        lambda o: spec(o, "Deployment")["strategy"]["rollingUpdate"].update(maxUnavailable=1),
    ),
    (
        "a budget of two",
        rules.two_gateways_survive_one,
        lambda o: spec(o, "PodDisruptionBudget").update(maxUnavailable=2),
    ),
)


def _secret(objects: list[Object], name: str) -> None:
    for volume in pod(gateway(objects))["volumes"]:
        if "secret" in volume:
            volume["secret"]["secretName"] = name


@pytest.mark.parametrize(("rule", "broken"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_manifest_that_breaks_the_rule_is_found(rule: Rule, broken: Break) -> None:
    objects = render(PRODUCTION)
    broken(objects)
    assert list(rule(objects))


def test_every_rule_has_a_manifest_that_breaks_it() -> None:
    assert {rule for _, rule, _ in BROKEN} == {*rules.EVERYWHERE, *rules.GATEWAYS}


@pytest.mark.parametrize("target", TARGETS)
def test_probes_and_scrapes_ask_for_paths_that_the_programs_have(target: str) -> None:
    objects = render(target)
    for workload in of(objects, "Deployment"):
        told = rules.settings(objects, workload)
        if told is None:
            continue
        app = reading.gateway() if isinstance(told, rules.Settings) else reading.scoring_service()
        client = TestClient(app)  # not entered: nothing is started, the routes are there all the same
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert client.get(container(workload)[kind]["httpGet"]["path"]).status_code in (200, 503)
        for monitor in of(objects, "ServiceMonitor"):
            assert client.get(monitor["spec"]["endpoints"][0]["path"]).status_code == 200
        assert client.get("/readyz").status_code == 404


def test_gateways_are_ready_when_a_model_is_and_alive_before() -> None:
    found = container(gateway(render(PRODUCTION)))
    assert found["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert found["livenessProbe"]["httpGet"]["path"] == found["startupProbe"]["httpGet"]["path"] == "/health"


def test_both_autoscalers_follow_the_samples_in_flight_and_leave_room_for_a_lost_gateway() -> None:
    objects = render(PRODUCTION)
    metric = spec(objects, "HorizontalPodAutoscaler")["metrics"][0]["pods"]
    trigger = spec(render("overlays/keda"), "ScaledObject")["triggers"][0]["metadata"]
    told = rules.settings(objects, gateway(objects))
    assert isinstance(told, rules.Settings)
    assert metric["metric"]["name"] == "cogitate_samples_in_flight"
    assert "cogitate_samples_in_flight{" in trigger["query"]
    assert int(metric["target"]["averageValue"]) == int(trigger["threshold"]) == told.capacity // 2


def test_clients_reach_the_api_from_outside_and_nothing_else() -> None:
    route = spec(render(PRODUCTION), "HTTPRoute")
    assert [m["path"]["value"] for r in route["rules"] for m in r["matches"]] == ["/v1/"]
    told = rules.settings(objects := render(PRODUCTION), gateway(objects))
    assert isinstance(told, rules.Settings)
    assert int(route["rules"][0]["timeouts"]["request"].removesuffix("s")) > told.max_deadline + told.queue_seconds


def test_the_pool_is_headless_and_the_gateways_ask_its_name() -> None:
    pool = spec(render("vllm"), "Service", "vllm")
    told = rules.settings(objects := render(PRODUCTION), gateway(objects))
    assert isinstance(told, rules.Settings)
    assert pool["clusterIP"] == "None"
    assert told.generators == (f"dns+http://vllm.inference.svc.cluster.local:{pool['ports'][0]['port']}",)
    assert f"--served-model-name={told.served}" in container(one(render("vllm"), "Deployment", "vllm"))["args"]


def test_vllm_is_given_options_it_has_and_the_version_that_is_tested() -> None:
    found = container(one(render("vllm"), "Deployment", "vllm"))
    assert {word.partition("=")[0] for word in found["args"] if word.startswith("-")} <= reading.vllm_flags()
    assert found["image"] == f"vllm/vllm-openai:v{reading.VLLM}"
