"""Diagnostics of a run: collected, printed as `file:line:col: error: message`, or checked against comments in the input.

A comment states what a line must report, as in mlir-opt's `--verify-diagnostics`:

    // expected-error@+1 {{result has shape 5, expected 4}}
    // expected-note-re@above {{prior use of {{.*}}}}

Places: none (this line), `@+N`, `@-N`, `@above` and `@below` (the nearest line without such a comment), `@unknown`.
The message must contain the text; with `-re` the parts in inner braces are regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

_PLACE = re.compile(r'"((?:[^"\\]|\\.)*)":(\d+):(\d+)')
_EXPECTED = re.compile(
    r"expected-(error|warning|note|remark)(-re)? *(@(?:[+-]\d+|above|below|unknown))? *\{\{(.*)\}\}\s*$"
)


@dataclass(frozen=True)
class Diagnostic:
    severity: str
    message: str
    file: str = ""
    """Empty if the location is unknown."""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else "<unknown>: "
        return f"{place}{self.severity}: {self.message}"

    @staticmethod
    def at(severity: str, message: str, location: str) -> Diagnostic:
        """`location` is `file:line` or `file:line:column`."""
        match = re.fullmatch(r"(.*?):(\d+)(?::(\d+))?", location)
        if not match:
            return Diagnostic(severity, message, location)
        return Diagnostic(severity, message, match[1], int(match[2]), int(match[3] or 1))


def from_mlir(diagnostic: ir.Diagnostic) -> Iterator[Diagnostic]:
    """The diagnostic and its notes. A note without a place of its own stands where its diagnostic does."""
    for one in (diagnostic, *diagnostic.notes):
        match = _PLACE.search(str(one.location)) or _PLACE.search(str(diagnostic.location))
        place = (match[1], int(match[2]), int(match[3])) if match else ()
        yield Diagnostic(one.severity.name.lower(), one.message, *place)


def snippet(diagnostic: Diagnostic, name: str, lines: list[str]) -> str:
    """The source line of `diagnostic` with a caret below, if it lies in the input `name`."""
    if diagnostic.file != name or not 1 <= diagnostic.line <= len(lines):
        return ""
    return f"{lines[diagnostic.line - 1]}\n{' ' * max(diagnostic.column - 1, 0)}^"


@dataclass
class Expectation:
    severity: str
    text: str
    pattern: re.Pattern[str]
    line: int
    """Where the diagnostic must be; 0 for an unknown location."""
    written: int
    """Where the comment is."""

    def fits(self, diagnostic: Diagnostic, name: str) -> bool:
        here = diagnostic.line == self.line and diagnostic.file == name if self.line else not diagnostic.file
        return here and self.severity == diagnostic.severity and bool(self.pattern.search(diagnostic.message))


def expectations(lines: list[str]) -> list[Expectation]:
    """The `expected-…` comments of `lines`, whose first is line 1. Raises `re.error` for a bad regular expression."""
    matches = [_EXPECTED.search(line) for line in lines]
    found: list[Expectation] = []
    for number, match in enumerate(matches, 1):
        if not match:
            continue
        place = (match[3] or "").removeprefix("@")
        line = number
        if place == "unknown":
            line = 0
        elif place in ("above", "below"):
            step = -1 if place == "above" else 1
            line += step
            while 1 <= line <= len(lines) and matches[line - 1]:
                line += step
        elif place:
            line += int(place)
        pattern = _regex(match[4]) if match[2] else re.escape(match[4])
        found.append(Expectation(match[1], match[4], re.compile(pattern), line, number))
    return found


def _regex(text: str) -> str:
    """Literal text with `{{regular expressions}}` inside."""
    parts = re.split(r"\{\{(.*?)\}\}", text)
    return "".join(part if i % 2 else re.escape(part) for i, part in enumerate(parts))


def verify(name: str, lines: list[str], seen: list[Diagnostic]) -> list[Diagnostic]:
    """What differs between the comments in `lines` and the diagnostics `seen`; empty if they agree."""
    try:
        open_ = expectations(lines)
    except re.error as error:
        return [Diagnostic("error", f"bad regular expression in an expected-… comment: {error}", name, 1, 1)]
    wrong: list[Diagnostic] = []
    for diagnostic in seen:
        for expectation in open_:
            if expectation.fits(diagnostic, name):
                open_.remove(expectation)
                break
        else:
            text = f"unexpected {diagnostic.severity}: {diagnostic.message}"
            wrong.append(Diagnostic("error", text, diagnostic.file, diagnostic.line, diagnostic.column))
    for missing in open_:
        text = f'expected {missing.severity} "{missing.text}" was not produced'
        wrong.append(Diagnostic("error", text, name, missing.written, 1))
    return wrong
