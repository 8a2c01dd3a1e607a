"""What objects of other people's kinds may look like: the published fields that are used here, and no others.

Read from the custom resource definitions of prometheus-operator (monitoring.coreos.com/v1), KEDA (keda.sh/v1alpha1) and
the Gateway API (gateway.networking.k8s.io/v1). A field that is missing below may exist; one that is there does.
"""

from typing import Any

from jsonschema import Draft202012Validator

from .rendering import Object, called

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
_TIME: dict[str, Any] = {"type": "string", "pattern": r"^(0|[0-9]+(ms|s|m|h|d|w|y))+$"}
_MAP: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}


def _shape(required: str = "", **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": required.split(), "additionalProperties": False}


def _each(shape: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": shape, "minItems": 1}


_ENDPOINT = _shape(
    "port",
    port=_TEXT,
    path=_TEXT,
    interval=_TIME,
    scrapeTimeout=_TIME,
    scheme={"enum": ["http", "https"]},
    authorization=_shape(
        "credentials", type=_TEXT, credentials=_shape("name key", name=_TEXT, key=_TEXT, optional={"type": "boolean"})
    ),
)
_RULE = _shape("expr", record=_TEXT, alert=_TEXT, expr=_TEXT, labels=_MAP, annotations=_MAP, **{"for": _TIME})
_SCALING = _shape(
    stabilizationWindowSeconds=_NUMBER,
    policies=_each(_shape("type value periodSeconds", type=_TEXT, value=_NUMBER, periodSeconds=_NUMBER)),
)
_PROMETHEUS = _shape("serverAddress query threshold", serverAddress=_TEXT, query=_TEXT, threshold=_TEXT)
_TRIGGER = _shape(
    "type metadata",
    type={"const": "prometheus"},
    metricType={"enum": ["AverageValue", "Value"]},
    metadata=_PROMETHEUS,
)
_SPECS: dict[tuple[str, str], dict[str, Any]] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _shape(
        "selector endpoints",
        selector=_shape("matchLabels", matchLabels=_MAP),
        namespaceSelector=_shape("matchNames", matchNames=_each(_TEXT)),
        endpoints=_each(_ENDPOINT),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _shape(
        "groups", groups=_each(_shape("name rules", name=_TEXT, interval=_TIME, rules=_each(_RULE)))
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): _shape(
        "scaleTargetRef triggers",
        scaleTargetRef=_shape("name", name=_TEXT, kind=_TEXT, apiVersion=_TEXT),
        minReplicaCount=_NUMBER,
        maxReplicaCount=_NUMBER,
        pollingInterval=_NUMBER,
        cooldownPeriod=_NUMBER,
        fallback=_shape("failureThreshold replicas", failureThreshold=_NUMBER, replicas=_NUMBER),
        advanced=_shape(
            horizontalPodAutoscalerConfig=_shape(behavior=_shape(scaleUp=_SCALING, scaleDown=_SCALING)),
        ),
        triggers=_each(_TRIGGER),
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _shape(
        "parentRefs rules",
        parentRefs=_each(_shape("name", name=_TEXT, namespace=_TEXT, sectionName=_TEXT)),
        hostnames=_each(_TEXT),
        rules=_each(
            _shape(
                "backendRefs",
                matches=_each(_shape("path", path=_shape("type value", type={"enum": ["PathPrefix"]}, value=_TEXT))),
                timeouts=_shape(request=_TIME, backendRequest=_TIME),
                backendRefs=_each(_shape("name port", name=_TEXT, port=_NUMBER)),
            )
        ),
    ),
}


def is_custom(found: Object) -> bool:
    """Whether an object is of a kind that Kubernetes itself does not have."""
    return (found["apiVersion"], found["kind"]) in _SPECS


def faults(found: Object) -> list[str]:
    """Return what is wrong with an object of such a kind."""
    validator = Draft202012Validator(_SPECS[found["apiVersion"], found["kind"]])
    return [f"{called(found)}: {e.json_path}: {e.message[:200]}" for e in validator.iter_errors(found["spec"])]
