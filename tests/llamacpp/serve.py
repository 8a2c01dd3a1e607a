"""Serves a GGUF file with llama.cpp's own HTTP server: `python serve.py FILE [SLOTS [PORT]]`.

Runs in `.venv-llamacpp`. Prints its address on a line of its own once it is ready, and ends when its standard input
does: with whoever started it, however that ended.
"""

import os
import sys

from xllamacpp import CommonParams, Server  # pyright: ignore[reportMissingImports] - another environment's

_CONTEXT = 512


def serve(file: str, slots: int = 8, port: int = 0) -> None:
    """Serve `slots` sequences at a time on one thread, at a port of 127.0.0.1 (0: any)."""
    params = CommonParams()
    params.model.path = file
    params.model_alias = {"cogitate-embedded"}
    params.n_parallel = slots
    params.n_ctx = slots * _CONTEXT  # of all sequences together
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = Server(params)
    os.write(1, f"{server.listening_address}\n".encode())
    sys.stdin.buffer.read()


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:]))
