"""`cogitate ask`: one question, answered here: live progress in a terminal, the bare answer in a pipe."""

import asyncio
import sys

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from router.answering import Answer, NoAnswer, answer
from router.events import Event, Observer, ignore
from router.events import Text as Piece
from router.ports import GeneratorError, ProblemTooLong
from router.types import Finish, Message, Problem
from server.gateway.budgets import Grant, read
from server.gateway.choices import policy_for
from server.gateway.progress import Narrator
from server.settings import Settings
from server.web.errors import ApiError
from server.wiring import limits_of, opened

_ANSWERED, _NO_ANSWER, _BAD_INPUT = 0, 1, 2


def ask(question: str, budget: str, strategy: str | None, seed: int) -> int:
    """Answer and print; return the exit status: 0 answered, 1 no answer, 2 bad input."""
    errors = Console(stderr=True)
    if not question:
        errors.print("There is no question.")
        return _BAD_INPUT
    try:
        settings = Settings()
        terms = read("option", "--budget", _terms(budget, strategy), limits_of(settings))
        return asyncio.run(_ask(settings, Problem((Message("user", question),)), terms, seed))
    except (ApiError, ValueError) as fault:
        errors.print(str(fault), markup=False)
        return _BAD_INPUT
    except (NoAnswer, ProblemTooLong, GeneratorError) as failure:
        errors.print(f"No answer: {failure}", markup=False)
        return _NO_ANSWER


def _terms(budget: str, strategy: str | None) -> str:
    return budget if strategy is None else f'{budget}, strategy="{strategy}"'


async def _ask(settings: Settings, problem: Problem, terms: Grant, seed: int) -> int:
    interactive = sys.stdout.isatty()
    screen = Console()
    async with opened(settings) as model:
        chosen = policy_for(terms, 1, problem, model)
        done = await answer(
            problem,
            terms.budget,
            generator=model.generator,
            scorer=model.scorer,
            policy=chosen.policy,
            observe=_shown_on(screen) if interactive else ignore,
            seed=seed,
        )
        notice = model.notice(problem)
    if interactive:
        _show(screen, done, chosen.by, notice)
    else:
        screen.out(done.verdict.answer or done.verdict.chosen.text.strip(), highlight=False)
        if notice:
            Console(stderr=True).print(notice, markup=False)
    if done.verdict.answer is None and done.verdict.chosen.finish is not Finish.EOS:
        Console(stderr=True).print(f"The text is cut: the {done.stopped} came before an answer.", markup=False)
        return _NO_ANSWER
    return _ANSWERED


def _shown_on(screen: Console) -> Observer:
    narrator = Narrator()

    def observe(event: Event) -> None:
        if not isinstance(event, Piece) and (line := narrator.hear(event)):
            screen.print(line.rstrip(), style="dim", markup=False, highlight=False)

    return observe


def _show(screen: Console, done: Answer, policy: str, notice: str | None) -> None:
    spent, chosen = done.spent, done.verdict
    screen.print(Panel(Text(chosen.chosen.text.strip()), title=Text(chosen.answer or "no final answer"), expand=False))
    screen.print(
        f"{done.plan.name or 'probe'} ({policy}): {spent.samples} samples, {spent.tokens} tokens, "
        f"{spent.scorer_tokens} scorer tokens, {spent.compute} in generator-token equivalents; "
        f"confidence {chosen.confidence:.2f}; {done.stopped}",
        style="dim",
        highlight=False,
    )
    if notice:
        screen.print(notice, style="yellow", markup=False)
