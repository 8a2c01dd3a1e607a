r"""Train a model on packed rows: from scratch, or on from a checkpoint.

What:     next-token cross-entropy on the predicted tokens; Muon and AdamW with one learning rate that warms up
          over 30 steps and falls linearly to 0 at the end of the time or step budget. Ten-minute checkpoints
          (not annealed) lie beside the result. One thread.
Command:  python -m server.embedded.train.pretrain --rows /tmp/rows.npz --out /tmp/verifier \
              --start server/embedded/weights/verifier --minutes 42 --rate 1e-3
          or, from scratch, `--shape S --rate 4e-3` in place of `--start` and `--rate`.
Time:     --minutes. One core with bfloat16 instructions does 4.7 thousand tokens a second for the verifier.
Seed:     0 (weights and order). A time budget is not repeatable to the bit; --steps is, on one machine.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from server.embedded.train.model import SHAPES, Llama, load, save
from server.embedded.train.muon import Muon

WARM_UP = 30
TOKENIZER = Path(__file__).parents[1] / "weights" / "generator"
_HELD_OUT = 16
_REPORT_EVERY, _VALIDATE_EVERY, _CHECKPOINT_SECONDS = 10, 50, 600.0


class Batches:
    """Rows in random order, again and again; the last few rows are held out for validation."""

    def __init__(self, path: Path, size: int) -> None:
        with np.load(path) as rows:
            ids, predicted = torch.from_numpy(rows["ids"].astype(np.int16)), torch.from_numpy(rows["predicted"])
        if len(ids) < _HELD_OUT + size:
            raise ValueError(f"{path} has {len(ids)} rows; {_HELD_OUT + size} are needed")
        self.held_out = ids[-_HELD_OUT:].long(), predicted[-_HELD_OUT:]
        self._ids, self._predicted, self._size = ids[:-_HELD_OUT], predicted[:-_HELD_OUT], size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            for chosen in torch.randperm(len(self._ids)).split(self._size):
                if len(chosen) == self._size:
                    yield self._ids[chosen].long(), self._predicted[chosen]


def loss_of(model: Llama, ids: Tensor, predicted: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of the predicted tokens of (batch, length) rows."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model(ids)[:, :-1][predicted[:, 1:]]
        logits = model.logits(hidden).float()
    return functional.cross_entropy(logits, ids[:, 1:][predicted[:, 1:]])


@torch.no_grad()
def validation_loss(model: Llama, batches: Batches) -> float:
    """Return the loss on the held-out rows."""
    return loss_of(model, *batches.held_out).item()


def rate_factor(step: int, progress: float) -> float:
    """Return the learning rate's share of its peak: linear warm-up times linear decay (`progress` in 0 to 1)."""
    return min(1.0, (step + 1) / WARM_UP) * (1.0 - progress)


def train(
    model: Llama,
    batches: Batches,
    peak: float,
    progress_at: Callable[[int], float],
    checkpoint: Callable[[int], None],
) -> int:
    """Train until `progress_at(step)` reaches 1; returns the number of steps."""
    optimiser, step, losses, saved = Muon(model), 0, list[float](), time.monotonic()
    for ids, predicted in batches:
        progress = progress_at(step)
        if progress >= 1.0:
            break
        loss = loss_of(model, ids, predicted)
        loss.backward()
        optimiser.step(peak * rate_factor(step, progress))
        losses.append(loss.item())
        step += 1
        if step % _REPORT_EVERY == 0:
            print(f"step {step}  {progress:.1%}  loss {np.mean(losses[-_REPORT_EVERY:]):.5f}", flush=True)
        if step % _VALIDATE_EVERY == 0:
            print(f"step {step}  validation loss {validation_loss(model, batches):.5f}", flush=True)
        if time.monotonic() - saved >= _CHECKPOINT_SECONDS:
            saved = time.monotonic()
            checkpoint(step)
    return step


def main() -> None:
    """Train and write a Hugging Face checkpoint."""
    options = _options()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = load(options.start) if options.start else Llama(SHAPES[options.shape])
    batches = Batches(options.rows, options.batch)
    began = time.monotonic()

    def progress_at(step: int) -> float:
        return step / options.steps if options.steps else (time.monotonic() - began) / (60 * options.minutes)

    def checkpoint(step: int) -> None:
        save(model, options.out.with_name(f"{options.out.name}-{step}"), options.tokenizer)

    print(f"validation loss at the start {validation_loss(model, batches):.5f}", flush=True)
    steps = train(model, batches, options.rate, progress_at, checkpoint)
    save(model, options.out, options.tokenizer)
    print(f"{steps} steps in {time.monotonic() - began:.0f} s; validation {validation_loss(model, batches):.5f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="an .npz file of pack.py")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the checkpoint to write")
    origin = parser.add_mutually_exclusive_group(required=True)
    origin.add_argument("--start", type=Path, help="the folder of a checkpoint to go on from")
    origin.add_argument("--shape", choices=sorted(SHAPES), help="train from scratch")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int)
    parser.add_argument("--rate", type=float, default=1e-3, help="the peak learning rate")
    parser.add_argument("--batch", type=int, default=16, help="rows per step")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER, help="a folder with tokenizer files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
