"""The commands and their options. What they do is in the files beside; they are imported when they are called."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from .keys import app as keys

app = typer.Typer(
    name="cogitate",
    help="Decides, per question, how much and in which way to think. OpenAI-compatible.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("cogitate"))
        raise typer.Exit


@app.callback()
def cogitate(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Take what stands before a command."""


Host = Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")]
Port = Annotated[
    int | None, typer.Option(help="Port to listen on; 0 takes a free one. [default: 8000]", min=0, max=65535)
]


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve. [default: 1]", min=1, max=64)] = None,
    keys: Annotated[Path | None, typer.Option(help="File of API keys. [default: nobody is asked for one]")] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Listen beyond this machine though nobody is asked for a key.")
    ] = False,
) -> None:
    """Start the server: on the embedded models, or on the generators that the settings name (docs/backends.md)."""
    from .serve import serve as run

    raise typer.Exit(run(host=host, port=port, workers=workers, keys=keys, anonymous=anonymous or None))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check the settings of `serve` against what they name: models, keys, Redis, collector, files. Starts nothing."""
    from .doctor import doctor as run

    raise typer.Exit(run(as_json=as_json))


@app.command()
def prm(
    family: Annotated[str | None, typer.Option(help="Kind of reward model: qwen, shepherd, rlhflow, ...")] = None,
    model: Annotated[str | None, typer.Option(help="Folder with the checkpoint, or its id on the hub.")] = None,
    host: Annotated[
        str | None, typer.Option(help="What runs it: transformers or vllm. [default: transformers]")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="With vllm: where it is served, http://host:port.")] = None,
    listen_host: Host = None,
    listen_port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one. [default: 8001]", min=0, max=65535)
    ] = None,
) -> None:
    """Start the scoring service: a process reward model behind POST /v1/score. COGITATE_PRM_* sets the rest."""
    from .prm import prm as run

    given = {"family": family, "model": model, "host": host, "backend": backend}
    raise typer.Exit(run(**given, listen_host=listen_host, listen_port=listen_port))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    budget: Annotated[str, typer.Option(help="A preset, or e.g. 'samples=16, deadline=2.5'.")] = "auto",
    strategy: Annotated[str | None, typer.Option(help="Pin a strategy; see `cogitate strategies`.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same samples.")] = 0,
) -> None:
    """Answer one question here, with the embedded models: live progress in a terminal, the bare answer in a pipe."""
    from .ask import ask as run

    text = sys.stdin.read() if question == "-" else question
    raise typer.Exit(run(text.strip(), budget, strategy, seed))


@app.command()
def replay(
    file: Annotated[str, typer.Argument(help="File of decision records (COGITATE_DECISIONS); - is standard input.")],
    request: Annotated[str | None, typer.Option(help="Only the request of this id, or of this trace.")] = None,
    last: Annotated[int | None, typer.Option(help="Only the last so many.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: the records themselves, a line each.")] = False,
) -> None:
    """Show again, step by step, what was decided for recorded requests, and what it cost."""
    from .replay import replay as run

    raise typer.Exit(run(file, request, last, as_json=as_json))


@app.command()
def strategies(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the strategies, with their papers."""
    from .strategies import strategies as run

    run(as_json=as_json)


@app.command("eval")
def evaluate(
    problems: Annotated[
        int, typer.Option(help="How many of the embedded family per seed, shared out over the five levels.", min=5)
    ] = 250,
    seeds: Annotated[
        str, typer.Option("--seeds", "--seed", help="Each draws its own problems and samples, e.g. '0,1,2'.")
    ] = "0",
    json: Annotated[
        Path | None, typer.Option(help="Write the results here; plot, records and tapes of samples beside it.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            help="Rows, e.g. 'greedy@1,dvts@16,router@auto:0.01,router-probe@16' (without its probe). "
            "[default: every strategy and the router at 4, 16 and 64]"
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="`test`, or `calibration` to choose by.")] = "test",
    timed: Annotated[int, typer.Option(help="Problems per level whose wall-clock time is taken alone.", min=0)] = 4,
    concurrency: Annotated[int, typer.Option(help="Problems under way at once.", min=1)] = 16,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file the router plans by. [default: the documented rules]")
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(help="Accuracy that router@auto asks per sample-equivalent. [default: the setting's]"),
    ] = None,
    reference: Annotated[
        str, typer.Option(help="Row whose accuracy the router is to match.")
    ] = "weighted_best_of_n@64",
    dataset: Annotated[
        Path | None, typer.Option(help="Questions of a file (MATH-500, GSM8K, AIME, or JSONL) instead of the family.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="Its form: math500, gsm8k, aime, plain. [default: recognised]")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only so many questions of the file.", min=1)] = None,
    system: Annotated[
        str | None, typer.Option(help="System message; '' for none. [default: asks a file's questions in steps]")
    ] = None,
    tape: Annotated[
        Path | None, typer.Option(help="Where the tapes of samples are: their path up to the seed.")
    ] = None,
) -> None:
    """Measure strategies and the router on held-out problems, all costs counted. Continues where it stopped."""
    from .evaluate import Order
    from .evaluate import evaluate as run
    from .sources import Wanted

    wanted = Wanted(problems, split, dataset, form, limit, system)
    raise typer.Exit(run(Order(wanted, seeds, json, arms, timed, concurrency, policy, price, reference, tape)))


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="Write the policy here, and what was drawn beside it (.pools.jsonl).")],
    file: Annotated[
        Path | None,
        typer.Argument(help="Questions, best with answers: .jsonl, .jsonl.gz or .json.", show_default=False),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="math500, gsm8k, aime or plain. [default: recognised]")
    ] = None,
    problems: Annotated[
        int | None, typer.Option(help="Instead of FILE: so many problems of the embedded family.", min=1)
    ] = None,
    levels: Annotated[str, typer.Option(help="With --problems: of these levels.")] = "1,2,3,4,5",
    pools: Annotated[
        list[Path] | None, typer.Option(help="Instead of FILE: fit to what was drawn before. Repeatable.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Solutions to each question, one of them greedy.", min=4)] = 64,
    searches: Annotated[
        str | None, typer.Option(help="Tree searches to try as well, e.g. 'beam_search@16,dvts@16'. [default: none]")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Ask so many of the questions, drawn by the seed.", min=1)] = None,
    max_tokens: Annotated[int | None, typer.Option(help="The most tokens of one solution.", min=1)] = None,
    system: Annotated[str | None, typer.Option(help="A system message in front of every question.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the questions and the samples.")] = 0,
    concurrency: Annotated[int, typer.Option(help="Questions under way at once.", min=1)] = 16,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Look at solutions in the light of what the prompt promises, too.")
    ] = False,
) -> None:
    """Find out for which questions thinking pays with the served models: a policy file. Goes on where it stopped."""
    from .calibrate import Order
    from .calibrate import calibrate as run

    order = Order(
        out=out,
        file=file,
        form=form,
        problems=problems,
        levels=levels,
        pools=tuple(pools or ()),
        samples=samples,
        searches=searches,
        limit=limit,
        longest=max_tokens,
        system=system,
        seed=seed,
        concurrency=concurrency,
        guided=estimate,
    )
    raise typer.Exit(run(order))
