"""Every program of the catalogue gives, compiled, what it gives in eager: results, changes of inputs, errors."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from catalogue import CATALOGUE, Program
from checking import TOLERANCE, assert_like, in_float64
from torch.utils import _pytree as pytree

import jic

UNCACHED = jic.JitConfig(enable_caching=False)


def outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """What a call does: its result and its arguments afterwards, or the exception that it raises."""
    try:
        return function(*args), args
    except Exception as error:
        return error


def state_of(function: Any) -> Any:
    return dict(function.state_dict()) if isinstance(function, torch.nn.Module) else {}


def reference_of(function: Callable[..., Any], args: tuple[Any, ...], expected: Any, factor: float) -> Any:
    """The call in float64, where that takes the same way as in the dtype of the arguments; else `expected`."""
    wide = outcome(copy.deepcopy(function), pytree.tree_map(in_float64, args))
    theirs, spec = pytree.tree_flatten(wide)
    eager, expected_spec = pytree.tree_flatten(expected)
    if isinstance(wide, Exception) or spec != expected_spec:
        return expected
    for w, e in zip(theirs, eager, strict=True):
        if not isinstance(e, torch.Tensor):
            if w != e:
                return expected
            continue
        if w.shape != e.shape or not e.numel():
            continue
        scale = max(1.0, e.double().abs().max().item())
        if not (w.double() - e.double()).abs().max().item() <= TOLERANCE.get(e.dtype, 0.0) * scale * factor:
            return expected
    return wide


def compare(found: Any, expected: Any, reference: Any, factor: float) -> None:
    if isinstance(expected, Exception):
        assert type(found) is type(expected), f"eager raised {expected!r}, compiled gave {found!r}"
        assert str(found) == str(expected)
        return
    if isinstance(found, Exception):
        raise found
    assert_like(found, expected, reference, factor)
    for ours, eager in zip(pytree.tree_leaves(found), pytree.tree_leaves(expected), strict=True):
        assert type(ours) is type(eager)


def ops(compiled: Any) -> dict[str, int]:
    text = compiled.ir("jic")
    return {name: len(re.findall(rf'"?jic\.{name}"?\(', text)) for name in ("loop", "while", "if")}


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    torch.random.manual_seed(0)


def compile_and_compare(program: Program, compile: Callable[[Any], Any]) -> Any:
    """Run all inputs of `program` twice each on one compiled callable. Returns it."""
    eager_function = copy.deepcopy(program.function)
    compiled = compile(copy.deepcopy(program.function))
    for number, make in enumerate(program.inputs):
        args = make()
        for _ in range(2):
            ours = copy.deepcopy(args)
            reference_function = copy.deepcopy(eager_function)
            expected = outcome(eager_function, copy.deepcopy(args))
            reference = reference_of(reference_function, copy.deepcopy(args), expected, program.factor)
            compare(outcome(compiled, ours), expected, reference, program.factor)
            assert_like(state_of(compiled), state_of(eager_function), factor=program.factor)
        if number == 0:
            check_form(program, compiled, isinstance(expected, Exception))
    return compiled


def check_form(program: Program, compiled: Any, raised: bool) -> None:
    """The first input's call is compiled, with loops and branches where the program says so."""
    signatures = compiled.stats()["signatures"] if hasattr(compiled, "stats") else []
    if not program.compiled or raised or not signatures:
        return
    why = str(jic.explain(compiled)(*program.inputs[0]())) if any(s["eager"] for s in signatures) else ""
    assert not any(s["eager"] for s in signatures), why
    count = ops(compiled)
    assert count["loop"] + count["while"] >= program.loops, count
    assert count["if"] + (count["while"] if program.loops else 0) >= min(program.branches, 1), count
    assert not program.unrolled or count["loop"] + count["while"] == 0, count


@pytest.mark.parametrize("program", CATALOGUE, ids=lambda p: p.name)
def test_program(program: Program) -> None:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        compile_and_compare(program, lambda function: jic.compile(function, config=UNCACHED))


def test_the_catalogue_is_large_and_its_names_are_unique() -> None:
    assert len(CATALOGUE) >= 100
    assert len({p.name for p in CATALOGUE}) == len(CATALOGUE)
