"""Prometheus metrics, in a registry of their own. Labels take few values: never an id, never a text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from router.answering import Answer
from server.report import Report

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = tuple(4**k for k in range(2, 11))


class Metrics:
    """Counts requests and what they took. Base units: seconds, tokens, samples."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry()
        r = self._registry
        ProcessCollector(registry=r)
        Gauge("cogitate_build_info", "Always 1.", ["version"], registry=r).labels(version).set(1)
        self._policies = Gauge(
            "cogitate_policy_info",
            "Always 1: what a model's plans rest on, and the digest of its policy file.",
            ["model", "policy", "digest"],
            registry=r,
        )
        self._running = Gauge("cogitate_requests_in_flight", "Chat requests being served.", registry=r)
        self._requests = Counter(
            "cogitate_requests", "Chat requests that have ended.", ["outcome", "stream"], registry=r
        )
        self._seconds = Histogram(
            "cogitate_request_duration_seconds", "From arrival to end.", ["outcome"], buckets=_SECONDS, registry=r
        )
        self._first = Histogram(
            "cogitate_time_to_first_token_seconds",
            "From arrival to the first piece of the answer, streams only.",
            buckets=_SECONDS,
            registry=r,
        )
        self._budgets = Counter("cogitate_budgets", "Budgets asked for, by preset.", ["preset"], registry=r)
        self._asked = Histogram(
            "cogitate_budget_samples", "Samples granted to a request.", buckets=_SAMPLES, registry=r
        )
        self._asked_tokens = Histogram(
            "cogitate_budget_tokens",
            "Compute granted, in generator-token equivalents, where it was bounded.",
            buckets=_TOKENS,
            registry=r,
        )
        self._spent = Histogram(
            "cogitate_spent_samples", "Samples a request has used.", ["strategy"], buckets=_SAMPLES, registry=r
        )
        self._spent_tokens = Histogram(
            "cogitate_spent_tokens",
            "Compute a request has used, in generator-token equivalents.",
            ["strategy"],
            buckets=_TOKENS,
            registry=r,
        )
        self._searches = Counter(
            "cogitate_searches", "Requests answered, by plan and end.", ["strategy", "stopped"], registry=r
        )
        self._width = Histogram("cogitate_search_width", "The plan's n.", ["strategy"], buckets=_SAMPLES, registry=r)
        self._levels = Counter("cogitate_probes", "Questions probed, by level of difficulty.", ["level"], registry=r)
        self._prompt = Counter("cogitate_prompt_tokens", "Tokens of prompts, each counted once.", registry=r)
        self._generated = Counter("cogitate_generated_tokens", "Tokens generated.", ["strategy"], registry=r)
        self._scored = Counter("cogitate_scorer_tokens", "Tokens read by the scorer.", ["strategy"], registry=r)
        self._lost = Counter("cogitate_lost_samples", "Samples asked for that did not come.", registry=r)
        self._degraded = Counter("cogitate_degraded", "Requests answered without their scorer.", registry=r)
        self._overrun = Counter(
            "cogitate_overrun_tokens", "Compute beyond what was set aside: more than 0 is a fault.", registry=r
        )

    def serves(self, model: str, policy: str, digest: str = "") -> None:
        """Note by which `policy` plans for `model` are made; `digest` is its file's."""
        self._policies.labels(model, policy, digest).set(1)

    def started(self) -> None:
        """Count a request in."""
        self._running.inc()

    def ended(self, report: Report) -> None:
        """Count it out, with what it took."""
        self._running.dec()
        self._requests.labels(report.outcome.value, "true" if report.stream else "false").inc()
        self._seconds.labels(report.outcome.value).observe(report.seconds)
        if report.first_token is not None:
            self._first.observe(report.first_token)
        if report.preset and report.budget:
            self._budgets.labels(report.preset).inc()
            self._asked.observe(report.budget.samples or 0)
            if report.budget.tokens:
                self._asked_tokens.observe(report.budget.tokens)
        if report.answer:
            self._answered(report.answer)

    def exposed(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def _answered(self, answer: Answer) -> None:
        strategy = answer.plan.name or "probe"
        spent = answer.spent
        self._searches.labels(strategy, answer.stopped).inc()
        self._width.labels(strategy).observe(answer.plan.n)
        self._spent.labels(strategy).observe(spent.samples)
        self._spent_tokens.labels(strategy).observe(spent.compute)
        self._generated.labels(strategy).inc(spent.tokens)
        self._scored.labels(strategy).inc(spent.scorer_tokens)
        self._prompt.inc(answer.prompt_tokens)
        self._lost.inc(answer.lost)
        self._overrun.inc(answer.overrun)
        if answer.difficulty:
            self._levels.labels(str(answer.difficulty.level)).inc()
        if answer.degraded:
            self._degraded.inc()
