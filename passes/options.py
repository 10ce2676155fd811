"""Options of a pass as text: `{max-size=8 strategy=default dims={0,1}}`, typed by the pass's dataclass fields.

Types: `int`, `float`, `bool`, `str`, `Literal[...]`, `tuple[T, ...]`, `list[T]`, and `T | None`. A bool without a value
is true.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jic.errors import PassError

from .base import Pass

_PLAIN = re.compile(r"[^\s{}(),\"'=]+")


class OptionError(Exception):
    """An option's text is wrong; `offset` is where in the options' text."""

    def __init__(self, message: str, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.offset, self.hint = message, offset, hint


def near(word: str, candidates: Iterable[str]) -> str:
    """A hint that names the nearest of `candidates`, or nothing."""
    best = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f"did you mean '{best[0]}'?" if best else ""


def split(text: str) -> list[tuple[str, str | None, int]]:
    """`key=value` pairs of `text` with their offsets; the value of a lone key is None."""
    found: list[tuple[str, str | None, int]] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        key = re.compile(r"[\w.-]+").match(text, at)
        if not key:
            raise OptionError(f"expected an option's name, got {text[at:]!r}", at)
        start, at = at, key.end()
        if at < len(text) and text[at] == "=":
            end = _value_end(text, at + 1)
            found.append((key[0], text[at + 1 : end], start))
            at = end
        else:
            found.append((key[0], None, start))
    return found


def _value_end(text: str, at: int) -> int:
    """The end of the value that starts at `at`: the next blank outside quotes and braces."""
    depth, quote = 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\" and quote == '"':
                at += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "{(<[":
            depth += 1
        elif char in "})>]":
            depth -= 1
        elif char.isspace() and not depth:
            break
        at += 1
    if depth or quote:
        raise OptionError(f"unclosed {quote or 'bracket'} in an option's value", at)
    return at


def build(cls: type[Pass], text: str) -> Pass:
    """An instance of `cls` with the options of `text`. Raises `OptionError`."""
    pairs = split(text)
    hints = get_type_hints(cls) if pairs else {}  # evaluates every annotation of the class
    spelled = {f.name.replace("_", "-"): f.name for f in fields(cls)}
    given: dict[str, Any] = {}
    for key, value, at in pairs:
        name = spelled.get(key, key if key in spelled.values() else None)
        if name is None:
            known = ", ".join(spelled) or "none"
            raise OptionError(
                f"pass '{cls.name}' has no option '{key}'", at, near(key, spelled) or f"its options are: {known}"
            )
        if name in given:
            raise OptionError(f"option '{key}' of pass '{cls.name}' is given twice", at)
        try:
            given[name] = parse_value(hints[name], value)
        except ValueError as error:
            raise OptionError(f"option '{key}' of pass '{cls.name}': {error}", at) from error
    try:
        return cls(**given)
    except (ValueError, PassError) as error:  # a pass may check its options in __post_init__
        reason = error.message if isinstance(error, PassError) else str(error)
        raise OptionError(f"pass '{cls.name}': {reason}") from error


def parse_value(type_: Any, text: str | None) -> Any:
    """`text` as a value of `type_`. Raises `ValueError` with what was expected."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in (Union, types.UnionType):
        if text == "none":
            return None
        (inner,) = [a for a in arguments if a is not type(None)]
        return parse_value(inner, text)
    if text is None:
        if type_ is bool:
            return True
        raise ValueError(f"expected {describe(type_)}, got no value")
    if origin in (tuple, list):
        inner = arguments[0] if arguments else str
        return origin(parse_value(inner, item) for item in _items(text))
    text = _unquote(text)
    if origin is Literal:
        for choice in arguments:
            if text == str(choice):
                return choice
    elif type_ is bool:
        if text.lower() in ("true", "1", "false", "0"):
            return text.lower() in ("true", "1")
    elif type_ is str:
        return text
    elif type_ in (int, float):
        try:
            return type_(text)
        except ValueError:
            pass
    else:
        raise ValueError(f"options of type {type_} cannot be written in a pipeline")
    raise ValueError(f"expected {describe(type_)}, got '{text}'")


def describe(type_: Any) -> str:
    """The type in words, for messages and help."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if a is type(None) else describe(a) for a in arguments)
    if origin in (tuple, list):
        return "a list" + (f" of {describe(arguments[0])}" if arguments else "")
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    return {int: "an integer", float: "a number", bool: "true or false", str: "a string"}.get(type_, str(type_))


def _items(text: str) -> list[str]:
    """The elements of `{a,b}` or `a,b`."""
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    items, start, depth, quote = [], 0, 0, ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "{}":
            depth += 1 if char == "{" else -1
        elif char == "," and not depth:
            items.append(text[start:at])
            start = at + 1
    items.append(text[start:])
    return [item.strip() for item in items] if text.strip() else []


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1]
    return text


def print_value(value: Any) -> str:
    """`value` such that `parse_value` reads it back."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return "{" + ",".join(map(print_value, value)) + "}"
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
