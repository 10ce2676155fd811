"""Programs with effects, run eagerly and compiled in twin copies of the world: modules of one source text.

A program's text defines `program(x)`, and whatever it changes at module level; names that start with a capital letter, and
`program` itself, are observed after each call.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import io
import itertools
import logging
import sys
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import jic

_numbers = itertools.count()
HEADER = """
import collections, contextlib, dataclasses, datetime, functools, heapq, itertools, logging, operator, os, queue, random, time
import types, uuid, warnings
import torch
LOGGER = logging.getLogger("jic.test.effects")
LOGGER.propagate = False


class State:
    def __init__(self, **fields):
        self.__dict__.update(fields)


"""


def load(text: str, directory: Path) -> types.ModuleType:
    """A new module of `HEADER` and `text`, from a file, so that its source can be found."""
    path = directory / f"effects_{next(_numbers)}.py"
    path.write_text(HEADER + text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Outcome:
    """What a call does: its result or error, what it prints, logs and warns of, and the state of its world afterwards."""

    result: Any
    error: str
    printed: str
    logged: list[Any]
    warned: list[Any]
    world: Any


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(level=0)
        self.found: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append((record.levelname, record.getMessage(), record.lineno, record.funcName))


def outcome(function: Any, module: types.ModuleType, *args: Any) -> Outcome:
    records, printed = _Records(), io.StringIO()
    logger = module.LOGGER
    logger.setLevel(logging.INFO)
    logger.addHandler(records)
    result, error = None, ""
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            result = function(*args)
        except Exception as raised:
            error = type(raised).__name__
    logger.removeHandler(records)
    users = [(str(w.message), w.category, w.lineno) for w in warned if not str(w.message).startswith("jic")]
    return Outcome(result, error, printed.getvalue(), records.found, users, world(module, result))


_kept: list[Any] = []


def world(module: types.ModuleType, result: Any) -> Any:
    """All that is observed, as one value in which the same object has the same number."""
    numbers: dict[int, int] = {}
    _kept.clear()
    fields = {k: v for k, v in vars(module).items() if k[:1].isupper() and k not in ("State", "LOGGER")}
    fields["program"] = vars(module.program)
    return _shape([fields, result], numbers, module)


def _shape(value: Any, numbers: dict[int, int], module: types.ModuleType) -> Any:
    if isinstance(value, torch.Tensor):
        return ("tensor", _number(value, numbers), value.dtype, tuple(value.shape), value.detach().clone())
    if isinstance(value, (int, float, str, bool, type(None), torch.dtype)):
        return value
    if isinstance(value, type) and value.__module__ != module.__name__ or isinstance(value, types.ModuleType):
        return getattr(value, "__name__", None)
    if id(value) in numbers:
        return ("seen", numbers[id(value)])
    if isinstance(value, tuple):
        return ("tuple", [_shape(v, numbers, module) for v in value])
    number = _number(value, numbers)
    if isinstance(value, (list, collections.deque)):
        return (type(value).__name__, number, [_shape(v, numbers, module) for v in value])
    if isinstance(value, dict):
        return (
            type(value).__name__,
            number,
            [(_shape(k, numbers, module), _shape(v, numbers, module)) for k, v in value.items()],
        )
    if isinstance(value, (set, frozenset)):
        return ("set", sorted(map(repr, value)))
    if isinstance(value, type):
        fields = {k: v for k, v in vars(value).items() if not k.startswith("__") and not callable(v)}
        return ("class", value.__name__, _shape(fields, numbers, module))
    if type(value).__module__ == module.__name__ and hasattr(value, "__dict__"):
        return (type(value).__name__, number, _shape(dict(vars(value)), numbers, module))
    if isinstance(value, torch.nn.Module):
        fields = {k: v for k, v in vars(value).items() if not k.startswith("_")}
        return (type(value).__name__, number, _shape([fields, list(value.children())], numbers, module))
    if hasattr(value, "qsize"):
        return ("queue", _shape(list(value.queue), numbers, module))
    if isinstance(value, types.FunctionType):
        return ("function", value.__name__, _shape(dict(vars(value)), numbers, module))
    return type(value).__name__


def _number(value: Any, numbers: dict[int, int]) -> int:
    _kept.append(value)  # ids stay its own
    return numbers.setdefault(id(value), len(numbers))


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    assert type(found) is type(expected), f"{where}: {found!r}, eager has {expected!r}"
    if isinstance(found, torch.Tensor):
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5, equal_nan=True), (
            f"{where}: {found}, eager {expected}"
        )
    elif isinstance(found, (list, tuple)):
        assert len(found) == len(expected), f"{where}: {found!r}, eager has {expected!r}"
        for i, (f, e) in enumerate(zip(found, expected, strict=True)):
            assert_same(f, e, f"{where}[{i}]")
    elif isinstance(found, float):
        assert found == expected or abs(found - expected) <= 1e-4 * max(1.0, abs(expected)), (
            f"{where}: {found}, eager {expected}"
        )
    else:
        assert found == expected, f"{where}: {found!r}, eager has {expected!r}"


def compare(
    text: str, directory: Path, on_effect: str = "replay", calls: int = 3, **options: Any
) -> jic.api.compiled.CompiledFunction:
    """Call the program, eagerly and compiled, and compare all that can be observed after each call."""
    eager, ours = load(text, directory), load(text, directory)
    config = jic.JitConfig(enable_caching=False, on_effect=on_effect, **options)
    compiled = jic.compile(ours.program, config=config)
    for number in range(calls):
        x = torch.linspace(-1.0, 2.0, 6).reshape(2, 3) + number * 0.5
        with torch.no_grad():
            expected = outcome(eager.program, eager, x.clone())
            found = outcome(compiled, ours, x.clone())
        for field in ("error", "printed", "logged", "warned", "world"):
            assert_same(getattr(found, field), getattr(expected, field), f"call {number}: {field}")
    return compiled


def ran_eagerly(compiled: Any) -> list[bool]:
    """For each signature if the call runs eagerly, or a loop of it."""
    return [entry.eager or entry.parts is not None for entry in compiled.entries]
