"""The contract that every backend keeps, kept by llama.cpp's server: the same tests, with another backend."""

from tests.contract.test_generator import *  # noqa: F403
