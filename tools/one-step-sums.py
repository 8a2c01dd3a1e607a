"""Write questions that a very small language model answers now and then: one-step sums, in words and in figures.

    python tools/one-step-sums.py sums-calibration.jsonl sums-test.jsonl --problems 150 --seed 2026

The two files share no question. They are for trying the tools on a real model (docs/backends.md), not a benchmark.
"""

import argparse
import json
from pathlib import Path
from random import Random

_NAMES = ("Ann", "Ben", "Carl", "Dana", "Eve", "Finn", "Gina", "Hugo", "Ida", "Jack")
_THINGS = ("apples", "pens", "books", "coins", "cards")
_KINDS = 9


def _problem(rng: Random, kind: int) -> tuple[str, int]:
    """Return a question of one of nine kinds, and its answer."""
    a, b, c = (rng.randint(2, 9) for _ in range(3))
    tens, name, other, things = rng.randint(10, 50), *rng.sample(_NAMES, 2), rng.choice(_THINGS)
    match kind:
        case 0:
            return f"What is {a} + {b}?", a + b
        case 1:
            return f"What is {a + b} - {b}?", a
        case 2:
            return f"What is {a} * {b}?", a * b
        case 3:
            return f"What is {tens} + {a}?", tens + a
        case 4:
            return f"What is {a * b} / {a}?", b
        case 5:
            return f"What is {a} + {b} + {c}?", a + b + c
        case 6:
            more = rng.randint(10, 49)
            return f"What is {tens} + {more}?", tens + more
        case 7:
            return f"{name} has {a} {things} and buys {b} more. How many {things} does {name} have now?", a + b
        case _:
            return f"{name} has {a + b} {things} and gives {b} of them to {other}. How many are left?", a


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs=2, type=Path, metavar="FILE")
    parser.add_argument("--problems", type=int, default=150, help="how many in each file, at most 300")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    rng, answers = Random(options.seed), dict[str, int]()
    while len(answers) < 2 * min(options.problems, 300):
        question, answer = _problem(rng, rng.randrange(_KINDS))
        answers.setdefault(question, answer)
    questions = list(answers)
    for start, path in enumerate(options.files):
        lines = (json.dumps({"question": q, "answer": str(answers[q])}) + "\n" for q in questions[start::2])
        path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
