"""From a report to its metrics: each family takes from it what is its own."""

from server.report import Report

from .budgets import Budgets
from .calls import Calls
from .catalogue import CONTENT_TYPE, Catalogue
from .door import Door
from .labels import Label
from .replicas import Replicas
from .requests import Requests
from .searches import Searches
from .tokens import Tokens


class Metrics:
    """Counts requests and what they took, once they have ended. Base units: seconds, tokens, samples."""

    content_type = CONTENT_TYPE

    def __init__(self, version: str) -> None:
        self._model = Label("model", rest="")
        self.catalogue = c = Catalogue()
        c.gauge("cogitate_build_info", "Always 1.", "livemax", Label("version", (version,))).at(version).set(1)
        c.gauge("cogitate_workers", "Processes that serve.", "livesum").at().set(1)
        self._policy, self._digest = Label("policy"), Label("digest")
        self._policies = c.gauge(
            "cogitate_policy_info",
            "Always 1: what a model's plans rest on, and the digest of its policy file.",
            "livemax",
            self._model,
            self._policy,
            self._digest,
        )
        self._requests, self._tokens = Requests(c, self._model), Tokens(c, self._model)
        self._calls, self._searches = Calls(c, self._model), Searches(c, self._model)
        self._budgets = Budgets(c)
        self.door, self.replicas = Door(c), Replicas(c, self._model)
        c.zeros()

    def serves(self, model: str, policy: str, digest: str = "") -> None:
        """Note that `model` is served, and by which `policy` it plans; `digest` is its file's."""
        self._model.know(model)
        self._policy.know(policy)
        self._digest.know(digest)
        self._policies.at(model, policy, digest).set(1)
        self.catalogue.zeros()

    def started(self) -> None:
        """Count a request in."""
        self._requests.started()

    def ended(self, report: Report) -> None:
        """Count it out, with what it took. A model that is not served, whatever a client calls it, has no name here."""
        model = self._model.of(report.model or "")
        strategy = (report.answer.plan.name or "probe") if report.answer else ""
        self._requests.ended(report, model)
        self.door.ended(report)
        self._budgets.ended(report, strategy)
        self._searches.ended(report, model, strategy)
        self._tokens.ended(report, model, strategy)
        self._calls.ended(report, model)

    def exposed(self) -> bytes:
        """Return everything in Prometheus's text format, over all workers where there are several."""
        return self.catalogue.exposed()
