"""The kinds of reward model, by the names that settings use. None of them runs a model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from server.calibration import load_calibration

from ..ports import Family
from ..tokens import Tokens
from .implicit import Implicit, LogRatio
from .outcome import Outcome
from .qwen import QwenPrm
from .rlhflow import RlhFlow
from .shepherd import MathShepherd
from .skywork import SkyworkPrm

__all__ = ["FAMILIES", "load_family"]

FAMILIES: Mapping[str, Callable[..., Family]] = MappingProxyType(
    {
        "qwen": QwenPrm,
        "shepherd": MathShepherd,
        "rlhflow": RlhFlow,
        "skywork": SkyworkPrm,
        "outcome": Outcome,
        "implicit": Implicit,
        "log-ratio": LogRatio,
    }
)
"""What makes a family of its tokens and options, which are the keyword arguments of each."""


def load_family(name: str, model: str | Path, **options: Any) -> Family:
    """Make a family for the tokenizer of `model`, a folder or a name on the Hugging Face hub.

    An implicit reward is calibrated by the `calibration.json` in the folder, where there is one. Raises ValueError
    (an unknown family or option, an unusable tokenizer or calibration).
    """
    make = FAMILIES.get(name)
    if make is None:
        raise ValueError(f"there is no reward model family {name!r}; known are {', '.join(FAMILIES)}")
    fitted = Path(model) / "calibration.json"
    if name == "implicit" and fitted.is_file():
        options.setdefault("calibration", load_calibration(fitted))
    try:
        return make(Tokens.load(model), **options)
    except TypeError as error:
        raise ValueError(f"the family {name!r} does not take these options: {error}") from error
