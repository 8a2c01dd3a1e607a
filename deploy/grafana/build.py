"""Writes the dashboards that Grafana reads: `python deploy/grafana/build.py [FOLDER]`, by default dashboards/json."""  # noqa: INP001 - a script, not a package

import json
import sys
from pathlib import Path

from dashboards import BOARDS
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER = Path(__file__).parent / "dashboards" / "json"


def main() -> None:
    """Write one file for each dashboard, named by its uid."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        built = board().build()
        text = json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        (folder / f"{built.uid}.json").write_text(text + "\n", encoding="utf-8")
        sys.stdout.write(f"{folder / f'{built.uid}.json'}\n")


if __name__ == "__main__":
    main()
