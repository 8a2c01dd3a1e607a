"""The commands and their options. What they do is in the files beside; they are imported when they are called."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="cogitate",
    help="Decides, per question, how much and in which way to think. OpenAI-compatible.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
def serve(host: Host = None, port: Port = None) -> None:
    """Start the server: on the embedded models, or on the generators that the settings name (docs/backends.md)."""
    from .serve import serve as run

    raise typer.Exit(run(host, port))


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
def strategies(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the strategies, with their papers."""
    from .strategies import strategies as run

    run(as_json=as_json)


@app.command("eval")
def evaluate(
    problems: Annotated[int, typer.Option(help="How many problems, shared out over the five levels.", min=5)] = 250,
    seed: Annotated[int, typer.Option(help="Draws the problems and the samples.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the results here, and the plot beside it.")] = None,
    arms: Annotated[
        str | None, typer.Option(help="Rows to run, e.g. 'greedy@1,dvts@16'. [default: every strategy at 4, 16 and 64]")
    ] = None,
    split: Annotated[str, typer.Option(help="`test`, or `calibration` to choose by.")] = "test",
    timed: Annotated[int, typer.Option(help="Problems per level whose wall-clock time is taken alone.", min=0)] = 4,
    concurrency: Annotated[int, typer.Option(help="Problems under way at once.", min=1)] = 16,
) -> None:
    """Measure the embedded models on held-out problems: one row a strategy and budget. Continues where it stopped."""
    from .evaluate import Order
    from .evaluate import evaluate as run

    raise typer.Exit(run(Order(problems, seed, json, arms, split, timed, concurrency)))
