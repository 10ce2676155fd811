"""Some programs of the catalogue, others in each run, give from a file what they give in the process, bit for bit."""

from __future__ import annotations

import copy
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from catalogue import CATALOGUE
from torch.utils import _pytree as pytree

import jic
from jic.errors import ExportError


def called(function: Any, args: tuple[Any, ...]) -> list[Any]:
    """The leaves of the result and of the arguments afterwards."""
    torch.manual_seed(5)
    given = copy.deepcopy(args)
    return pytree.tree_leaves((function(*given), given))


def outcome(function: Any, args: tuple[Any, ...]) -> list[Any] | None:
    """None where the call raises."""
    try:
        return called(function, args)
    except Exception:
        return None


@pytest.mark.parametrize("_", range(8))
def test_exported_programs(_: int, tmp_path: Path) -> None:
    program = random.choice([p for p in CATALOGUE if p.compiled])
    print(program.name)
    args = random.choice(program.inputs)()
    original = copy.deepcopy(program.function)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = jic.load(jic.export(program.function, *args, path=tmp_path / "model.jic"))
        except ExportError:  # it raises, has effects, or gives objects of its own
            return
        found, expected = outcome(loaded, args), outcome(jic.compile(original), args)
    if expected is None or found is None:
        assert found is expected
        return
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        if isinstance(theirs, torch.Tensor):
            assert ours.dtype == theirs.dtype and ours.stride() == theirs.stride()
            assert torch.equal(ours.nan_to_num(), theirs.nan_to_num())
        else:
            assert repr(ours) == repr(theirs)
