"""Past the limit of signatures a call costs nothing more than the callable itself."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest
import torch

import jic
from jic.errors import FallbackError


def test_one_warning_and_nothing_kept() -> None:
    compiled = jic.compile(lambda x: x * 2, config=jic.JitConfig(recompile_limit=3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(1, 60):
            assert torch.equal(compiled(torch.ones(n)), torch.full((n,), 2.0))
    assert len(caught) == 1 and "3 signatures are compiled already" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert len(compiled.entries) == 3 and len(compiled.variants) == 3
    assert not any(entry.eager for entry in compiled.entries)


def test_known_signatures_still_run_compiled() -> None:
    compiled = jic.compile(lambda x: x * 2, config=jic.JitConfig(recompile_limit=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in (1, 2, 3, 4):
            compiled(torch.ones(n))
        hits = compiled.hits
        for n in (1, 2):
            assert torch.equal(compiled(torch.ones(n)), torch.full((n,), 2.0))
    assert compiled.hits == hits + 2


def test_nothing_is_traced_past_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from jic.api import compiled as module

    compiled = jic.compile(lambda x: x * 2, config=jic.JitConfig(recompile_limit=1))
    compiled(torch.ones(1))

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("traced")

    monkeypatch.setattr(module, "trace", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(2, 9):
            assert torch.equal(compiled(torch.ones(n)), torch.full((n,), 2.0))


def test_memory_does_not_grow() -> None:
    compiled = jic.compile(lambda x, text: x * len(text), config=jic.JitConfig(recompile_limit=2))
    x = torch.ones(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(20):
            compiled(x, str(i))
        gc.collect()
        before = len(gc.get_objects())
        for i in range(500):
            compiled(x, "a" * i)
        gc.collect()
    assert len(gc.get_objects()) < before + 100


def test_explain_says_so() -> None:
    compiled = jic.compile(lambda x: x * 2, config=jic.JitConfig(recompile_limit=1))
    compiled(torch.ones(1))
    report = jic.explain(compiled)(torch.ones(2))
    assert report.eager and "signatures are compiled already" in str(report)
    assert len(compiled.entries) == 1


def test_strict_raises() -> None:
    compiled = jic.compile(lambda x: x * 2, config=jic.JitConfig(recompile_limit=1), strict=True)
    compiled(torch.ones(1))
    for _ in range(2):
        with pytest.raises(FallbackError, match="signatures are compiled already"):
            compiled(torch.ones(2))
    compiled(torch.ones(1))


def test_calls_that_no_variant_can_match_are_met_once() -> None:
    """A sparse tensor runs eagerly each time: without a trace, an entry or a warning of its own."""
    compiled = jic.compile(lambda x: x * 2, config=jic.JitConfig(recompile_limit=8))
    sparse = torch.eye(3).to_sparse()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(30):
            assert torch.equal(compiled(sparse).to_dense(), torch.eye(3) * 2)
    assert len(caught) == 1 and len(compiled.entries) == 1
    compiled(torch.ones(3))
    assert not compiled.entries[-1].eager


def test_an_argument_whose_repr_raises() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    compiled = jic.compile(lambda x, odd: x + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(compiled(torch.ones(2), Odd()), torch.full((2,), 2.0))
