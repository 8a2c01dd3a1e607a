"""The embedded default: a real, tiny generator and verifier that run anywhere, in numpy and without a GPU."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from router.ports import Generator, Scorer
from router.types import Problem
from server.calibration import load_calibration

from .checkpoint import CheckpointError
from .checkpoint import load as load_checkpoint
from .engine import Engine
from .generator import EmbeddedGenerator
from .llama import Llama
from .problems.recognise import canonical_question, is_known
from .prompts import LONGEST_QUESTION, Prompts
from .tokenizer import Tokenizer
from .verifier import EmbeddedVerifier

__all__ = ["CheckpointError", "Embedded", "fingerprint", "load"]

_WEIGHTS = Path(__file__).parent / "weights"

_NOTICE = (
    "The embedded model only knows problems like those it was trained on (arithmetic, equations, word problems and "
    "the like, in small numbers). It answers this question too, but do not rely on it."
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Both embedded models with the engines they run on."""

    generator: Generator
    scorer: Scorer
    engines: tuple[Engine, ...]

    def start(self) -> None:
        """Start the engines' threads, once."""
        for engine in self.engines:
            engine.start()

    async def aclose(self) -> None:
        """End the threads; open calls fail."""
        for engine in self.engines:
            await engine.aclose()

    def notice(self, problem: Problem) -> str | None:
        """Return what to tell a client who asks something the embedded models cannot know; else None."""
        question = problem.question
        return None if len(question) <= LONGEST_QUESTION and is_known(question) else _NOTICE


def load(weights: Path | None = None) -> Embedded:
    """Load the generator and the verifier from `weights`/{generator,verifier}. Raises ValueError."""
    folder = weights or _WEIGHTS
    small, large = folder / "generator", folder / "verifier"
    tokenizer, judge = Tokenizer(small), Tokenizer(large)
    if (tokenizer.vocabulary, tokenizer.eos) != (judge.vocabulary, judge.eos):
        raise CheckpointError(f"the generator and the verifier in {folder} must share one tokenizer")
    models = Llama(load_checkpoint(small)), Llama(load_checkpoint(large))
    prompts = Prompts(tokenizer, canonical_question)
    engines = (
        Engine(models[0], banned=tokenizer.banned, name="embedded-generator"),
        Engine(models[1], banned=tokenizer.banned, cache_bytes=128 * 2**20, name="embedded-verifier"),
    )
    calibration = load_calibration(large / "calibration.json")
    ratio = models[1].parameters / models[0].parameters
    verifier = EmbeddedVerifier(engines[1], tokenizer, prompts, calibration, name="embedded-verifier", ratio=ratio)
    return Embedded(EmbeddedGenerator(engines[0], tokenizer, prompts, "embedded"), verifier, engines)


def fingerprint(weights: Path | None = None) -> str:
    """Return a digest of all that decides what the models answer: whoever records results names it beside them."""
    digest = blake2b(digest_size=8)
    for path in sorted((weights or _WEIGHTS).glob("*/*")):
        if path.suffix in (".json", ".safetensors"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
