"""What stands behind the gateway: replicas, their calls, the scoring service, and vLLM itself."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from .board import JOB, MODEL, board
from .panels import graph

_VLLM = "by (model_name)"


def _rate(metric: str, select: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{select}}}[$__rate_interval]))"


def _quantile(of: float, metric: str, select: str = "", by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    chosen = f"{{{select}}}" if select else ""
    return f"histogram_quantile({of}, sum by ({labels}) (rate({metric}_bucket{chosen}[$__rate_interval])))"


def _mean(metric: str, select: str, by: str) -> str:
    return f"{_rate(f'{metric}_sum', select, by)} / ({_rate(f'{metric}_count', select, by)} > 0)"


_REPLICAS = (
    graph(
        "Generators",
        "Replicas by state, as each gateway sees them: up, on trial, resting because they said they are full, ejected "
        "for failing, dead to health checks.",
        {
            "{{model}} {{state}}": "max by (model, state) (sum by (instance, model, state) "
            f'(cogitate_replicas{{{MODEL},role="generator"}}))'
        },
        "short",
        stacked=True,
    ),
    graph(
        "Scorers",
        "As the panel beside it, for scoring services. Without one that is up, answers are put to the vote.",
        {
            "{{model}} {{state}}": "max by (model, state) (sum by (instance, model, state) "
            f'(cogitate_replicas{{{MODEL},role="scorer"}}))'
        },
        "short",
        stacked=True,
    ),
    graph(
        "Ejections and retries",
        "Per second: replicas taken out, calls asked for again at another replica, and those that were not because too "
        "many had been.",
        {
            "{{role}} ejected: {{reason}}": _rate("cogitate_ejections_total", MODEL, "role, reason"),
            "{{role}} retries {{outcome}}": _rate("cogitate_retries_total", MODEL, "role, outcome"),
        },
        "cps",
    ),
)

_GENERATOR = (
    graph(
        "Generator calls",
        "Seconds of a call that went well, by model.",
        {
            f"{{{{model}}}} p{100 * q:g}": _quantile(
                q, "cogitate_generator_call_duration_seconds", f'{MODEL},outcome="ok"', "model"
            )
            for q in (0.5, 0.95)
        },
        "s",
    ),
    graph(
        "Generator calls by outcome",
        "Calls per second. Those cancelled were no longer needed.",
        {"{{outcome}}": _rate("cogitate_generator_call_duration_seconds_count", MODEL, "outcome")},
        "reqps",
        stacked=True,
    ),
    graph(
        "Samples of a call",
        "Mean samples that one call drew.",
        {"{{model}}": _mean("cogitate_generator_call_samples", MODEL, "model")},
        "short",
    ),
)

_SCORER = (
    graph(
        "Scorer calls",
        "Seconds of a call that went well, by model.",
        {
            f"{{{{model}}}} p{100 * q:g}": _quantile(
                q, "cogitate_scorer_call_duration_seconds", f'{MODEL},outcome="ok"', "model"
            )
            for q in (0.5, 0.95)
        },
        "s",
    ),
    graph(
        "Scorer calls by outcome",
        "Calls per second.",
        {"{{outcome}}": _rate("cogitate_scorer_call_duration_seconds_count", MODEL, "outcome")},
        "reqps",
        stacked=True,
    ),
    graph(
        "What scorers are given",
        "Mean candidates and tokens of a call.",
        {
            "candidates": _mean("cogitate_scorer_call_candidates", MODEL, "model"),
            "tokens": _mean("cogitate_scorer_call_tokens", MODEL, "model"),
        },
        "short",
    ),
)

_PRM = (
    graph(
        "Scoring service",
        "Requests per second, by how they ended.",
        {"{{outcome}}": "sum by (outcome) (rate(cogitate_prm_requests_total[$__rate_interval]))"},
        "reqps",
        stacked=True,
    ),
    graph(
        "Scoring service: time",
        "Seconds: of requests, of the oldest passage's wait for a batch, and of reading a batch (all p95).",
        {
            "request": _quantile(0.95, "cogitate_prm_request_duration_seconds"),
            "wait": _quantile(0.95, "cogitate_prm_queue_wait_seconds"),
            "batch": _quantile(0.95, "cogitate_prm_batch_duration_seconds"),
        },
        "s",
    ),
    graph(
        "Scoring service: batches",
        "Mean passages in a batch, and passages that wait.",
        {
            "in a batch": "sum(rate(cogitate_prm_batch_items_sum[$__rate_interval])) "
            "/ (sum(rate(cogitate_prm_batch_items_count[$__rate_interval])) > 0)",
            "waiting": "sum(cogitate_prm_queue_items)",
        },
        "short",
    ),
    graph(
        "Scoring service: remembered",
        "Share of the tokens judged that were known and not computed again.",
        {
            "remembered": "1 - sum(rate(cogitate_prm_computed_tokens_total[$__rate_interval])) "
            "/ (sum(rate(cogitate_prm_tokens_total[$__rate_interval])) > 0)"
        },
        "percentunit",
        most=1,
    ),
)

_ENGINE = (
    graph(
        "vLLM: requests",
        "Requests that are generated, and that wait, by model.",
        {
            "{{model_name}} running": f"sum {_VLLM} (vllm:num_requests_running)",
            "{{model_name}} waiting": f"sum {_VLLM} (vllm:num_requests_waiting)",
        },
        "short",
    ),
    graph(
        "vLLM: cache",
        "Share of the KV cache in use (the fullest replica), and of prompt tokens found in the prefix cache.",
        {
            "{{model_name}} in use": f"max {_VLLM} (vllm:kv_cache_usage_perc)",
            "{{model_name}} prefixes found": f"sum {_VLLM} (rate(vllm:prefix_cache_hits_total[$__rate_interval])) "
            f"/ (sum {_VLLM} (rate(vllm:prefix_cache_queries_total[$__rate_interval])) > 0)",
        },
        "percentunit",
        most=1,
    ),
    graph(
        "vLLM: tokens",
        "Tokens per second.",
        {
            "{{model_name}} prompts": f"sum {_VLLM} (rate(vllm:prompt_tokens_total[$__rate_interval]))",
            "{{model_name}} generated": f"sum {_VLLM} (rate(vllm:generation_tokens_total[$__rate_interval]))",
        },
        "short",
    ),
    graph(
        "vLLM: time",
        "Seconds (p95): to the first token, in its queue, between tokens.",
        {
            "first token": _quantile(0.95, "vllm:time_to_first_token_seconds"),
            "queue": _quantile(0.95, "vllm:request_queue_time_seconds"),
            "between tokens": _quantile(0.95, "vllm:inter_token_latency_seconds"),
        },
        "s",
    ),
    graph(
        "vLLM: preempted",
        "Requests per second that lost their place in the cache and are computed again.",
        {"{{model_name}}": f"sum {_VLLM} (rate(vllm:num_preemptions_total[$__rate_interval]))"},
        "reqps",
    ),
)

_PROCESSES = (
    graph(
        "Scraped",
        "Processes that Prometheus reaches, by job.",
        {"{{job}}": 'sum by (job) (up{job=~"$job|cogitate-prm|vllm"})'},
        "short",
    ),
    graph(
        "Requests in flight",
        "Requests being served, by gateway.",
        {"{{instance}}": f"sum by (instance) (cogitate_requests_in_flight{{{JOB}}})"},
        "short",
        stacked=True,
    ),
)


def backends() -> Dashboard:
    """Return the dashboard of what answers come from."""
    return board(
        "backends",
        "Backends",
        "Replicas, their calls, the scoring service, and vLLM's own figures.",
        (
            ("Replicas", _REPLICAS),
            ("Generators", _GENERATOR),
            ("Scorers", _SCORER),
            ("The scoring service (job cogitate-prm)", _PRM),
            ("vLLM (job vllm)", _ENGINE),
            ("Processes", _PROCESSES),
        ),
    )
