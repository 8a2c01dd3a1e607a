"""Chat templates, rendered as transformers renders them: the same names, the same filters, the same sandbox.

For tokenizers whose folder is read without transformers; a template is a program that a checkpoint brings along.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class ChatTemplate:
    """A template that can be used. Raises TemplateError."""

    def __init__(self, source: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
        )
        environment.filters["tojson"] = _tojson  # pyright: ignore[reportUnknownMemberType]
        given = {"raise_exception": _raise, "strftime_now": _strftime_now}
        self._template: Template = environment.from_string(source, given)

    def render(self, turns: Sequence[tuple[str, str]], *, answer_follows: bool, **named: str) -> str:
        """Render (role, content) turns; `named` are special tokens. Raises TemplateError."""
        messages = [{"role": role, "content": content} for role, content in turns]
        # Templates ask whether tools are none, which what is not defined is not.
        absent = {"tools": None, "documents": None}
        try:
            return self._template.render(messages=messages, add_generation_prompt=answer_follows, **absent, **named)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:  # a fault in what the template computes
            raise TemplateError(str(error)) from error


class _Generation(Extension):
    """`{% generation %}` marks what is trained on, and renders as what is in it."""

    tags = {"generation"}  # noqa: RUF012 - as it is declared

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
