"""For the person on call: whether answers are late, dear or degraded, and why."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from .board import JOB, MODEL, board
from .panels import graph, rows, tile

_SECONDS = "cogitate_request_duration_seconds"
_REQUESTS = "cogitate_requests_total"
_ANSWERED = f'{MODEL},outcome="answered"'
_FAILED = f'{MODEL},outcome=~"overloaded|deadline|generator|internal"'
_OWED = f'{MODEL},outcome!~"invalid|refused|cancelled"'
"""Requests that the server owes an answer: not those a client got wrong, may not put, or has left."""

_LESS = f'{JOB},reason=~"scorer|samples"'
_ANSWERS = f"sum(rate({_SECONDS}_count{{{_ANSWERED}}}[5m]))"


def _per_answer(window: str) -> str:
    compute = f"sum(rate(cogitate_compute_tokens_total{{{MODEL}}}[{window}]))"
    return f"{compute} / (sum(rate({_SECONDS}_count{{{_ANSWERED}}}[{window}])) > 0)"


def _mean(metric: str, select: str) -> str:
    seconds = f"sum(rate({metric}_sum{{{select}}}[$__rate_interval]))"
    return f"{seconds} / (sum(rate({metric}_count{{{select}}}[$__rate_interval])) > 0)"


def _quantile(of: float, metric: str, select: str) -> str:
    return f"histogram_quantile({of}, sum by (le) (rate({metric}_bucket{{{select}}}[$__rate_interval])))"


_VERDICT = (
    tile(
        "Late",
        "Share of the answers of the last 5 minutes that took longer than 10 s. The objective is 5 %.",
        f'1 - sum(rate({_SECONDS}_bucket{{{_ANSWERED},le="10.0"}}[5m])) / ({_ANSWERS} > 0)',
        "percentunit",
        ((0.05, "orange"), (0.3, "red")),
        span=8,
        height=6,
    ),
    tile(
        "Dear",
        "Compute of an answer in the last 5 minutes, as a multiple of what it was in the last 24 hours.",
        f"({_per_answer('5m')}) / ({_per_answer('1d')})",
        "suffix: x",
        ((1.5, "orange"), (2, "red")),
        span=8,
        height=6,
    ),
    tile(
        "Degraded",
        "Share of the answers of the last 5 minutes that had to do without their scorer, or with fewer samples than "
        "asked for because the server was busy: the larger of the two.",
        f"max(sum by (reason) (rate(cogitate_degraded_total{{{_LESS}}}[5m]))) / ({_ANSWERS} > 0)",
        "percentunit",
        ((0.01, "orange"), (0.05, "red")),
        span=8,
        height=6,
    ),
)

_WHY = (
    tile(
        "Failing",
        "Share of the requests of the last 5 minutes that the server owed an answer and gave none. The objective is "
        "0.5 %.",
        f"sum(rate({_REQUESTS}{{{_FAILED}}}[5m])) / (sum(rate({_REQUESTS}{{{_OWED}}}[5m])) > 0)",
        "percentunit",
        ((0.005, "orange"), (0.072, "red")),
    ),
    tile(
        "Models down",
        "Models that no replica answers for.",
        f"sum(max by (model) (1 - cogitate_model_up{{{MODEL}}}))",
        "short",
        ((1, "red"),),
        empty="no data",
    ),
    tile(
        "Replicas out",
        "Generators and scorers that are ejected or dead, as the gateway sees worst.",
        f'max(sum by (instance) (cogitate_replicas{{{MODEL},state=~"ejected|dead"}}))',
        "short",
        ((1, "orange"), (2, "red")),
        empty="no replicas",
    ),
    tile(
        "Waiting",
        "Requests that wait for their turn now.",
        f"sum(cogitate_queue_requests{{{JOB}}})",
        "short",
        ((1, "orange"), (32, "red")),
    ),
    tile(
        "Shed",
        "Requests per second that were refused because the queue was full or their turn did not come, in the last 5 "
        "minutes.",
        f'sum(rate(cogitate_shed_total{{{JOB},reason=~"queue_full|queue_time"}}[5m]))',
        "reqps",
        ((0.001, "orange"), (0.1, "red")),
    ),
    tile(
        "Fullness",
        "Samples under way, as a share of what the server takes on. From 1 on requests wait.",
        f"sum(cogitate_samples_in_flight{{{JOB}}}) / sum(cogitate_capacity_samples{{{JOB}}})",
        "percentunit",
        ((0.8, "orange"), (1, "red")),
    ),
)

_LATE = (
    graph(
        "Time to an answer",
        "From arrival to end, of requests that were answered. The objective: 95 % within 10 s.",
        {f"p{100 * q:g}": _quantile(q, _SECONDS, _ANSWERED) for q in (0.5, 0.95, 0.99)},
        "s",
        limits=((10, "red"),),
    ),
    graph(
        "Where the time goes",
        "Mean seconds of a request: waiting for its turn, for the models, and in the gateway itself.",
        {
            "turn": _mean("cogitate_queue_wait_seconds", JOB),
            "models": _mean("cogitate_upstream_wait_seconds", MODEL),
            "gateway": _mean("cogitate_gateway_overhead_seconds", MODEL),
        },
        "s",
        stacked=True,
    ),
    graph(
        "Time to the first token",
        "From arrival to the first piece of the answer, of streams.",
        {f"p{100 * q:g}": _quantile(q, "cogitate_time_to_first_token_seconds", MODEL) for q in (0.5, 0.95)},
        "s",
    ),
)

_DEAR = (
    graph(
        "Compute of an answer",
        "Generator-token equivalents per answer: now, and over the last 24 hours.",
        {"now": _per_answer("5m"), "24 h": _per_answer("1d")},
        "short",
    ),
    graph(
        "Samples",
        "Mean samples of a request: asked for, granted, and spent.",
        {
            "asked": _mean("cogitate_asked_samples", JOB),
            "granted": _mean("cogitate_granted_samples", JOB),
            "spent": _mean("cogitate_spent_samples", JOB),
        },
        "short",
    ),
    graph(
        "Samples under way",
        "The load the server counts with, and what it takes on at most.",
        {
            "under way": f"sum(cogitate_samples_in_flight{{{JOB}}})",
            "capacity": f"sum(cogitate_capacity_samples{{{JOB}}})",
        },
        "short",
    ),
)

_DEGRADED = (
    graph(
        "Requests",
        "Requests per second, by how they ended.",
        {"{{outcome}}": f"sum by (outcome) (rate({_REQUESTS}{{{MODEL}}}[$__rate_interval]))"},
        "reqps",
        stacked=True,
    ),
    graph(
        "Degraded answers",
        "Answers per second without their scorer, with fewer samples because the server was busy, or with fewer "
        "because a key had no more compute.",
        {"{{reason}}": f"sum by (reason) (rate(cogitate_degraded_total{{{JOB}}}[$__rate_interval]))"},
        "reqps",
        stacked=True,
    ),
    graph(
        "Refused",
        "Requests per second that were turned away, by why.",
        {"{{reason}}": f"sum by (reason) (rate(cogitate_shed_total{{{JOB}}}[$__rate_interval]))"},
        "reqps",
        stacked=True,
    ),
)

_PROMISES = (
    graph(
        "Error budget",
        "How many times faster than allowed requests fail: 1 uses up the budget of 30 days in 30 days, 14.4 in two. "
        "From the recording rules, over all models.",
        {f"{w} {{{{job}}}}": f"job:cogitate_failed:ratio_rate{w}{{{JOB}}} / 0.005" for w in ("5m", "1h", "6h")},
        "suffix: x",
        limits=((1, "orange"), (14.4, "red")),
    ),
    graph(
        "Latency budget",
        "How many times faster than allowed answers are late: of 5 %, over all models.",
        {f"{w} {{{{job}}}}": f"job:cogitate_late:ratio_rate{w}{{{JOB}}} / 0.05" for w in ("5m", "1h", "6h")},
        "suffix: x",
        limits=((1, "orange"), (6, "red")),
    ),
    rows(
        "Alerts",
        "What fires now. Each has its section in the runbook.",
        'ALERTS{alertname=~"Cogitate.*",alertstate="firing"}',
        ("__name__", "alertstate", "instance"),
    ),
)


def overview() -> Dashboard:
    """Return the dashboard to look at first."""
    return board(
        "overview",
        "Overview",
        "Are answers late, dear or degraded, and why?",
        (
            ("Late, dear or degraded?", _VERDICT),
            ("Why", _WHY),
            ("Late", _LATE),
            ("Dear", _DEAR),
            ("Degraded", _DEGRADED),
            ("Promises", _PROMISES),
        ),
    )
