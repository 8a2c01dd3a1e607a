"""Policy files: which one a model plans by, whether it was made for this model, and how that is told."""

import logging
from dataclasses import dataclass
from pathlib import Path

from router.difficulty.prompt import FEATURES
from router.policy import file
from router.policy.file import PolicyFile
from server import embedded
from server.gateway import Calibration, Model

SHIPPED = Path(embedded.__file__).with_name("policy.json")
"""The embedded models' own: used with the weights it was made for, and with no others."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a policy file must have been made for: these weights, or one of these generators, `judged` or not.

    Scoring services do not say which model they have, so that only whether there is one can be compared.
    """

    generators: frozenset[str]
    judged: bool
    fingerprint: str | None = None

    def fits(self, policy: PolicyFile) -> bool:
        """Tell whether the file was made for these models."""
        made_for = policy.models
        if self.fingerprint is not None or made_for.fingerprint is not None:
            return made_for.fingerprint == self.fingerprint
        return made_for.generator in self.generators and (made_for.scorer is not None) == self.judged


def configured(path: Path, setting: str, identity: Identity) -> Calibration:
    """Return what the file at `path` says, whatever it was made for. Raises ValueError naming the `setting`."""
    try:
        policy = _read(path)
    except (OSError, ValueError) as fault:
        raise ValueError(f"{setting} names the policy file {path}, which cannot be used: {fault}") from None
    return _calibration(path, policy, transferred=not identity.fits(policy))


def shipped(identity: Identity) -> Calibration | None:
    """Return the policy shipped with these weights; None where there is none for them. Raises ValueError."""
    if not SHIPPED.is_file():
        return None
    policy = _read(SHIPPED)
    return _calibration(SHIPPED, policy, transferred=False) if identity.fits(policy) else None


def tell(model: Model) -> None:
    """Write to the log what the model's plans rest on."""
    found = model.calibration
    if found is None:
        said = "no policy file for model %s: the documented default policy applies; run cogitate calibrate"
        _log.info(said, model.id)
    elif found.transferred:
        said = (
            "model %s plans by a policy file of OTHER MODELS, because the settings say so: %s. "
            "Its plans may be too small or too large; run cogitate calibrate"
        )
        _log.warning(said, model.id, found.summary)
    else:
        _log.info("model %s plans by the policy file %s", model.id, found.summary)


def _read(path: Path) -> PolicyFile:
    """Read a file, and see that it reads prompts as this version does. Raises OSError, ValueError."""
    policy = file.read(path)
    if len(policy.table.estimate.weights) != len(FEATURES):
        raise ValueError("it was fitted to other features of prompts than this software reads: calibrate again")
    return policy


def _calibration(path: Path, policy: PolicyFile, *, transferred: bool) -> Calibration:
    data, models = policy.data, policy.models
    names = models.generator if models.scorer is None else f"{models.generator} and {models.scorer}"
    truth = "published answers" if data.get("truth") == "answers" else "agreement, for want of answers"
    summary = (
        f"{path} ({policy.digest}), made {policy.made} for {names} from {data.get('problems')} problems by {truth}"
    )
    return Calibration(policy.table, policy.digest, policy.made, summary, transferred)
