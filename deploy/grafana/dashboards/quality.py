"""How searches think: strategies, widths, difficulty, and whether what they expected came true."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from .board import JOB, MODEL, board
from .panels import buckets, graph


def _by(label: str, metric: str, select: str) -> str:
    return f"sum by ({label}) (rate({metric}{{{select}}}[$__rate_interval]))"


def _mean(metric: str, label: str = "strategy") -> str:
    return f"{_by(label, f'{metric}_sum', JOB)} / ({_by(label, f'{metric}_count', JOB)} > 0)"


_WHAT = (
    graph(
        "Strategies",
        "Answers per second, by strategy.",
        {"{{strategy}}": _by("strategy", "cogitate_searches_total", MODEL)},
        "reqps",
        stacked=True,
    ),
    graph(
        "How searches end",
        "Complete: what was planned ran. Agreed: more would not have changed the answer. Budget, deadline, shutdown: "
        "cut short with the best so far.",
        {"{{stopped}}": _by("stopped", "cogitate_searches_total", MODEL)},
        "reqps",
        stacked=True,
    ),
    graph(
        "Answers without scorer or samples",
        "Answers per second that were degraded, by reason.",
        {"{{reason}}": _by("reason", "cogitate_degraded_total", JOB)},
        "reqps",
        stacked=True,
    ),
)

_HARD = (
    graph(
        "Difficulty",
        "Questions probed per second, by level: 1 is easiest.",
        {"level {{level}}": _by("level", "cogitate_probes_total", JOB)},
        "reqps",
        stacked=True,
    ),
    graph(
        "Agreement expected",
        "Share of samples that were expected to agree with the answer after the probe, by level.",
        {"level {{level}}": _mean("cogitate_predicted_agreement_ratio", "level")},
        "percentunit",
        most=1,
    ),
    graph(
        "Agreement found",
        "Share of solutions that did agree with it in the end. Far from what was expected, the policy is not of these "
        "questions: calibrate again.",
        {"level {{level}}": _mean("cogitate_realised_agreement_ratio", "level")},
        "percentunit",
        most=1,
    ),
)

_WIDE = (
    graph(
        "Width",
        "Mean n of the plan, by strategy.",
        {"{{strategy}}": _mean("cogitate_search_width")},
        "short",
    ),
    buckets("Samples spent", "How many samples requests took.", "cogitate_spent_samples", JOB, "short"),
    graph(
        "Budget used",
        "Mean share of the samples granted that was spent, by strategy. Stopping early shows here.",
        {"{{strategy}}": _mean("cogitate_budget_used_ratio")},
        "percentunit",
        most=1,
    ),
)

_FATE = (
    graph(
        "Candidates",
        "Candidates per second, by what became of them.",
        {"{{state}}": _by("state", "cogitate_candidates_total", JOB)},
        "cps",
        stacked=True,
    ),
    graph(
        "Lost candidates",
        "Share of candidates that were asked for and did not come.",
        {
            "lost": f'sum(rate(cogitate_candidates_total{{{JOB},state="lost"}}[$__rate_interval])) '
            f"/ (sum(rate(cogitate_candidates_total{{{JOB}}}[$__rate_interval])) > 0)"
        },
        "percentunit",
        limits=((0.01, "orange"), (0.05, "red")),
    ),
    graph(
        "Policies",
        "By what plans are made, and the digest of the policy file: one line for each model.",
        {"{{model}}: {{policy}} {{digest}}": f"count by (model, policy, digest) (cogitate_policy_info{{{MODEL}}})"},
        "short",
    ),
)


def quality() -> Dashboard:
    """Return the dashboard of how searches go."""
    return board(
        "quality",
        "Search quality",
        "Which strategies run, how hard questions are, and whether what was expected came true.",
        (
            ("What runs, and how it ends", _WHAT),
            ("How hard, and whether it was foreseen", _HARD),
            ("How wide", _WIDE),
            ("What becomes of candidates", _FATE),
        ),
    )
