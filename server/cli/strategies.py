"""`cogitate strategies`: what there is to choose from."""

import orjson
from rich.console import Console
from rich.table import Table

from router.policy.names import STRATEGIES


def strategies(*, as_json: bool) -> None:
    """Print every strategy, as a table or as JSON."""
    console = Console()
    entries = [
        {"name": e.name, "title": e.title, "paper": e.paper, "summary": e.summary, "needs_scorer": e.verified}
        for e in STRATEGIES.values()
    ]
    if as_json:
        console.out(orjson.dumps(entries, option=orjson.OPT_INDENT_2).decode(), highlight=False)
        return
    table = Table("strategy", "what it does", "scorer", "paper", show_lines=False)
    for e in STRATEGIES.values():
        table.add_row(e.name, e.summary, "yes" if e.verified else "no", e.paper)
    console.print(table)
