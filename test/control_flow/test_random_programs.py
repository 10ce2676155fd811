"""Random programs of loops and branches give, compiled, what Python gives, to the bit.

`JIC_RANDOM_PROGRAMS=1000 pytest test/control_flow/test_random_programs.py` tries as many.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, given, seed, settings
from random_loops import INPUTS, Source, sources

import jic

EXAMPLES = int(os.environ.get("JIC_RANDOM_PROGRAMS", "40"))
UNCACHED = jic.JitConfig(enable_caching=False)


def imported(source: Source, directory: Path, number: int) -> Callable[..., Any]:
    """The program, from a file, so that its source can be found."""
    path = directory / f"random_program_{number}.py"
    path.write_text(source.text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module.program


def arguments(values: Any) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor(value) for value in values)


def assert_equal(found: Any, expected: Any) -> None:
    assert len(found) == len(expected)
    for ours, eager in zip(found, expected, strict=True):
        assert type(ours) is type(eager)
        if isinstance(eager, torch.Tensor):
            assert ours.dtype == eager.dtype and ours.shape == eager.shape
            assert torch.equal(ours, eager), (ours, eager)
        else:
            assert ours == eager


def run_and_compare(program: Callable[..., Any], counts: Counter[str], kind: str) -> None:
    compiled = jic.compile(program, config=UNCACHED)
    for values in INPUTS:
        args = arguments(values)
        expected = program(*args)
        for _ in range(2):
            ours = arguments(values)
            assert_equal(compiled(*ours), expected)
            assert_equal(ours, args)  # changed as eager changes them
    counts[f"{kind}programs"] += 1
    counts[f"{kind}run eagerly"] += any(s["eager"] for s in compiled.stats()["signatures"])


def test_random_programs(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    numbers = itertools.count()

    @seed(20261127)  # fixed, so that the share below does not change with this file
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(sources())
    def run(source: Source) -> None:
        number = next(numbers)
        program = imported(source, tmp_path, number)
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                run_and_compare(program, counts, "free " if source.is_free else "")
        finally:
            del sys.modules[f"random_program_{number}"]

    run()
    print(dict(counts))
    # Of free ones more: a loop of unknown length does not append, nor exchange what it writes to.
    # Programs that change tensors with two names run eagerly; 24 of 640 did, over 8 seeds.
    assert counts["run eagerly"] * 6 <= counts["programs"], counts
