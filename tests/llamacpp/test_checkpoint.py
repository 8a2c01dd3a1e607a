"""The converted checkpoint is the embedded model: the same tokens in, the same tokens out."""

import httpx
import pytest

from router.ports import Draw, Tally
from router.types import Candidate, Message, Problem
from server.embedded import load
from server.embedded.problems.splits import draw
from server.embedded.tokenizer import Tokenizer

from .process import WEIGHTS

TEXTS = [
    "",
    "What is 12345 + 67?",
    "## Step 1: 3 + 4 = 7.\n\n## Step 2: 7 * 2 = 14.\n\nTherefore, the final answer is: $\\boxed{14}$.",
    "\n\n\n\n\n one  two\n\n\nthree",
    "half as many apples as 12 half as many coins as ",
    "It's naïve: ½ of 日本 is not 🙂, x²≠3",
    "<|bos|><|user|>Hi<|assistant|>",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_becomes_the_same_tokens(address: str, text: str):
    reply = httpx.post(f"{address}/tokenize", json={"content": text}).raise_for_status().json()
    assert tuple(reply["tokens"]) == Tokenizer(WEIGHTS).encode(text)


def test_a_question_is_rendered_to_the_same_prompt(address: str):
    message = {"role": "user", "content": "What is 3 + 4?"}
    rendered = httpx.post(f"{address}/apply-template", json={"messages": [message]}).raise_for_status().json()
    reply = httpx.post(f"{address}/tokenize", json={"content": rendered["prompt"]}).raise_for_status().json()
    assert tuple(reply["tokens"]) == Tokenizer(WEIGHTS).prompt([Message("user", "What is 3 + 4?")])


async def test_without_chance_ten_solutions_are_the_embedded_ones(address: str):
    questions = [problem.question for problem in draw("test", 2, seed=11)]
    assert len(questions) == 10
    assert await _served(address, questions) == await _embedded(questions)


async def _served(address: str, questions: list[str]) -> list[tuple[str, int]]:
    tokenizer, solutions = Tokenizer(WEIGHTS), list[tuple[str, int]]()
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        for question in questions:
            prompt = tokenizer.prompt([Message("user", question)])
            body = {"prompt": prompt, "temperature": 0, "max_tokens": 300}
            reply = (await client.post("/v1/completions", json=body)).raise_for_status().json()
            solutions.append((reply["choices"][0]["text"], reply["usage"]["completion_tokens"]))
    return solutions


async def _embedded(questions: list[str]) -> list[tuple[str, int]]:
    models, solutions = load(), list[tuple[str, int]]()
    models.start()
    try:
        for question in questions:
            problem = Problem((Message("user", question),))
            order = Draw(problem, Candidate(), count=1, seed=0, max_tokens=300, whole=True, temperature=0.0)
            solutions += [(s.text, s.tokens) async for _, s in models.generator.sample(order, Tally())]
    finally:
        await models.aclose()
    return solutions
