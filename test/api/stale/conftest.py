"""`check`: edits of what a compiled function reads; and a process that is afterwards as it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.twins import Check, Edit, Twins, check_edits


def _rows() -> tuple[Any, ...]:
    return (torch.randn(3, 4),)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled code for all tests: programs differ in what they read, not in what they compute."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def check(tmp_path: Path, cache: Path) -> Iterator[Check]:
    """Runs a program and its edits, without gradients unless `grad`; returns the twins."""
    made: list[Twins] = []

    def run(
        source: str | dict[str, str],
        *edits: Edit,
        target: str = "f",
        inputs: Callable[[], tuple[Any, ...]] = _rows,
        state: str = "",
        eager: bool = False,
        grad: bool = False,
    ) -> Twins:
        twins = Twins(tmp_path, source, target, state, cache=cache)
        made.append(twins)
        with torch.set_grad_enabled(grad):
            check_edits(twins, edits, inputs, eager)
        return twins

    yield run
    for twins in made:
        twins.unload()


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    dtype, threads, precision = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
    )
    deterministic, environment = torch.are_deterministic_algorithms_enabled(), dict(os.environ)
    yield
    torch.set_default_dtype(dtype)
    torch.set_default_device(None)
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.use_deterministic_algorithms(deterministic)
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
