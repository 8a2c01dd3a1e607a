"""What answers cost, what adaptive search saves, and what is wasted. All in generator-token equivalents."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from .board import JOB, MODEL, board
from .panels import buckets, graph, tile

_ANSWERS = f'cogitate_requests_total{{{MODEL},outcome="answered"}}'

_COMPUTE = "cogitate_compute_tokens_total"
_HOUR = "1h"


def _rate(metric: str, select: str = MODEL, window: str = "$__rate_interval", by: str = "") -> str:
    return f"sum{by and f' by ({by}) '}(rate({metric}{{{select}}}[{window}]))"


def _mean(metric: str, select: str = JOB) -> str:
    return f"{_rate(f'{metric}_sum', select)} / ({_rate(f'{metric}_count', select)} > 0)"


def _share(metric: str) -> str:
    part = _rate(metric, window=_HOUR)
    return f"{part} / (({part} + {_rate(_COMPUTE, window=_HOUR)}) > 0)"


_TILES = (
    tile(
        "Compute of an answer",
        "Generator-token equivalents per answer, over the last hour.",
        f"{_rate(_COMPUTE, window=_HOUR)} / (sum(rate({_ANSWERS}[{_HOUR}])) > 0)",
        "short",
        (),
        span=6,
    ),
    tile(
        "Saved",
        "Share of compute that drawing every granted sample would have taken more, over the last hour.",
        _share("cogitate_saved_tokens_total"),
        "percentunit",
        (),
        span=6,
    ),
    tile(
        "Wasted",
        "Tokens generated for requests that got no answer, as a share of these and all compute, over the last hour.",
        _share("cogitate_wasted_tokens_total"),
        "percentunit",
        ((0.1, "orange"), (0.2, "red")),
        span=6,
    ),
    tile(
        "Overrun",
        "Compute beyond what was set aside, over the last day. More than 0 is a fault of ours.",
        f"sum(increase(cogitate_overrun_tokens_total{{{JOB}}}[1d]))",
        "short",
        ((1, "red"),),
        span=6,
    ),
)

_SPENT = (
    graph(
        "Compute by strategy",
        "Generator-token equivalents per second.",
        {"{{strategy}}": _rate(_COMPUTE, by="strategy")},
        "short",
        stacked=True,
    ),
    graph(
        "Compute by model",
        "Generator-token equivalents per second.",
        {"{{model}}": _rate(_COMPUTE, by="model")},
        "short",
        stacked=True,
    ),
    graph(
        "Tokens by kind",
        "Tokens per second: of prompts (each counted once), generated, and read by scorers.",
        {
            "prompts": _rate("cogitate_prompt_tokens_total", JOB),
            "generated": _rate("cogitate_generated_tokens_total"),
            "scored": _rate("cogitate_scorer_tokens_total"),
        },
        "short",
    ),
)

_ASKED = (
    graph(
        "Asked, granted, spent",
        "Mean samples of a request.",
        {
            "asked": _mean("cogitate_asked_samples"),
            "granted": _mean("cogitate_granted_samples"),
            "spent": _mean("cogitate_spent_samples"),
        },
        "short",
    ),
    graph(
        "Granted and spent compute",
        "Mean generator-token equivalents: granted to requests whose compute is bounded, and spent by all.",
        {"granted": _mean("cogitate_granted_tokens"), "spent": _mean("cogitate_spent_tokens")},
        "short",
    ),
    graph(
        "Budgets",
        "Requests per second, by the budget they asked for.",
        {"{{preset}}": _rate("cogitate_budgets_total", JOB, by="preset")},
        "reqps",
        stacked=True,
    ),
)

_LEFT = (
    graph(
        "Saved by strategy",
        "Generator-token equivalents per second that drawing every granted sample would have taken more.",
        {"{{strategy}}": _rate("cogitate_saved_tokens_total", by="strategy")},
        "short",
        stacked=True,
    ),
    graph(
        "Wasted by outcome",
        "Tokens per second generated for requests that got no answer.",
        {"{{outcome}}": _rate("cogitate_wasted_tokens_total", by="outcome")},
        "short",
        stacked=True,
    ),
    buckets("Compute of answers", "How much compute answers took.", "cogitate_spent_tokens", JOB, "short"),
)

_KEYS = (
    graph(
        "Keys at their limits",
        "Requests per second that were refused because a key had used up its requests or its compute.",
        {"{{reason}}": _rate("cogitate_shed_total", f'{JOB},reason=~"key_.+"', by="reason")},
        "reqps",
    ),
    graph(
        "Answers cut by keys",
        "Answers per second that got fewer samples because their key had little compute left.",
        {"quota": _rate("cogitate_degraded_total", f'{JOB},reason="quota"')},
        "reqps",
    ),
)


def cost() -> Dashboard:
    """Return the dashboard of compute."""
    return board(
        "cost",
        "Cost",
        "What answers cost, what adaptive search saves, and what is wasted, in generator-token equivalents.",
        (
            ("The last hour", _TILES),
            ("What it goes into", _SPENT),
            ("What was asked for", _ASKED),
            ("What is saved and wasted", _LEFT),
            ("Keys", _KEYS),
        ),
    )
