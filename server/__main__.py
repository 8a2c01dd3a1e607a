"""The command line: `cogitate serve | prm | ask | strategies | eval`."""

import os

# One engine thread per model: more BLAS threads would only compete. Must be set before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from server.cli.app import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
