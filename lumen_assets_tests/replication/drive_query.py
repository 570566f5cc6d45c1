"""The ``q`` of Drive's ``files.list``, as far as clients use it.

The grammar is that of https://developers.google.com/workspace/drive/api/guides/ref-search-terms: terms joined with
``and``, ``or``, ``not`` and parentheses; texts in ``'`` with ``\\'`` and ``\\\\`` escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Item = Any
Matches = Callable[[Item], bool]
_TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|([()])|(!=|=)|([A-Za-z]+))")


class QueryError(Exception):
    """Drive answers HTTP 400, ``invalid``, to such a query."""


def parse_query(text: str, aliases: dict[str, str]) -> tuple[Matches, bool]:
    """Whether an item matches, and whether the query looks at names; ``aliases`` are names of folders: ``root``."""
    parser = _Parser(_tokens(text), aliases)
    matches = parser.any_of()
    if parser.tokens:
        raise QueryError(f"left over: {parser.tokens}")
    return matches, parser.by_name


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            raise QueryError(text[at:])
        found.append(next(group for group in token.groups() if group))
        at = token.end()
    return found


class _Parser:
    def __init__(self, tokens: list[str], aliases: dict[str, str]) -> None:
        self.tokens = tokens
        self.aliases = aliases
        self.by_name = False

    def next(self) -> str:
        if not self.tokens:
            raise QueryError("ends early")
        return self.tokens.pop(0)

    def any_of(self) -> Matches:
        terms = [self.all_of()]
        while self.tokens[:1] == ["or"]:
            self.next()
            terms.append(self.all_of())
        return lambda item: any(term(item) for term in terms)

    def all_of(self) -> Matches:
        terms = [self.term()]
        while self.tokens[:1] == ["and"]:
            self.next()
            terms.append(self.term())
        return lambda item: all(term(item) for term in terms)

    def term(self) -> Matches:
        token = self.next()
        if token == "(":  # noqa: S105 - a parenthesis
            matches = self.any_of()
            if self.next() != ")":
                raise QueryError(") is missing")
            return matches
        if token == "not":  # noqa: S105
            denied = self.term()
            return lambda item: not denied(item)
        if token.startswith("'"):
            if [self.next(), self.next()] != ["in", "parents"]:
                raise QueryError("only `in parents` is known")
            parent = _text(token)
            parent = self.aliases.get(parent, parent)
            return lambda item: item.parent == parent
        return self.comparison(token)

    def comparison(self, name: str) -> Matches:
        operator, value = self.next(), self.next()
        if operator not in ("=", "!="):
            raise QueryError(operator)
        if name == "trashed" and value in ("true", "false"):
            wanted: object = value == "true"
        elif name in ("name", "mimeType"):
            wanted = _text(value)
        else:
            raise QueryError(name)
        self.by_name |= name == "name"
        attribute = {"mimeType": "kind"}.get(name, name)
        return lambda item: (getattr(item, attribute) == wanted) == (operator == "=")


def _text(token: str) -> str:
    if not token.startswith("'"):
        raise QueryError(token)
    return re.sub(r"\\(.)", r"\1", token[1:-1])
