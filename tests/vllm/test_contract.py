"""What the fake of the unit tests answers, and what our generator promises: tests/contract, on the real server."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_real_vllm_keeps_the_contract(generator_urls: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--no-cov", "-p", "no:cacheprovider", "-k", "vllm", "tests/contract"],
        cwd=ROOT,
        env=os.environ | {"COGITATE_TEST_BACKENDS": f"vllm={generator_urls[0]}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
