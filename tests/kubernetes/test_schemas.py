"""Every object is one that Kubernetes takes: in the oldest version that is supported here, and in the newest known."""

import kubernetes_validate
import pytest

from . import custom
from .rendering import TARGETS, Object, called, container, of, one, render

VERSIONS = ("1.33", "1.37")


def faults(objects: list[Object], version: str) -> list[str]:
    """What the schemas of a version say against these objects. A field that they do not know is a fault, too."""
    found = list[str]()
    for each in objects:
        if custom.is_custom(each):
            found += custom.faults(each)
            continue
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as fault:
            found.append(f"{called(each)}: {fault}")
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("target", TARGETS)
def test_every_object_is_as_kubernetes_wants_it(target: str, version: str) -> None:
    assert faults(render(target), version) == []


def test_the_newest_version_is_the_newest_there_is() -> None:
    assert kubernetes_validate.latest_version().startswith(VERSIONS[-1])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_misspelt_field_and_a_wrong_type_are_found(version: str) -> None:
    objects = render("overlays/trial")
    gateway = one(objects, "Deployment", "cogitate")
    container(gateway)["readinesProbe"] = container(gateway).pop("readinessProbe")
    one(objects, "Service", "cogitate")["spec"]["ports"][0]["port"] = "eighty"
    assert [fault.partition(":")[0] for fault in faults(objects, version)] == [
        "Service/cogitate",
        "Deployment/cogitate",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_kind_that_is_gone_is_found(version: str) -> None:
    objects = render("overlays/trial")
    of(objects, "PodDisruptionBudget")[0]["apiVersion"] = "policy/v1beta1"
    assert faults(objects, version)


@pytest.mark.parametrize(
    ("kind", "name", "wrong"),
    [
        ("ServiceMonitor", "cogitate", {"endpoint": []}),
        ("ServiceMonitor", "cogitate", {"endpoints": [{"port": "http", "authorization": {"secret": "x"}}]}),
        ("PrometheusRule", "cogitate", {"groups": [{"name": "x", "rules": [{"alert": "NoExpression"}]}]}),
        ("HTTPRoute", "cogitate", {"rules": [{"backendRefs": [{"name": "cogitate", "port": "80"}]}]}),
    ],
)
def test_a_custom_object_that_its_operator_would_refuse_is_found(kind: str, name: str, wrong: Object) -> None:
    found = one(render("overlays/production"), kind, name)
    assert custom.faults(found) == []
    found["spec"] |= wrong
    assert custom.faults(found)


def test_a_scaled_object_with_a_number_for_its_threshold_is_found() -> None:
    found = one(render("overlays/keda"), "ScaledObject", "cogitate")
    found["spec"]["triggers"][0]["metadata"]["threshold"] = 128  # KEDA takes texts
    assert custom.faults(found)
