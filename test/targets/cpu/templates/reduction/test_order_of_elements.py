"""Reductions where the order of elements shows: NaN, ties, values that are a reduction's identity, in every kind of walk."""

from __future__ import annotations

import pytest
import torch
from support.program_harness import NAMES, kernel, run
from torch_mlir import ir

from jic.dialects import build as b

NAN, INF = float("nan"), float("inf")
# Lengths with and without a rest beside full vectors, and of several accumulators.
LENGTHS = [1, 5, 16, 37, 300]


def reduced(x: torch.Tensor, kind: str, dim: int) -> torch.Tensor:
    def body(value: ir.Value) -> ir.Value:
        return kernel([value], lambda a: b.reduce(a, kind, [dim]), "reduction")

    assert x.dtype in NAMES
    return run(body, x)[0]


def rows(length: int) -> torch.Tensor:
    """Rows of: one value, identities, ties, NaN at some places, zeros of both signs, noise."""
    place = length // 2
    made = torch.randn(12, length).round()
    made[0] = 3.0
    made[1], made[2] = -INF, INF
    made[3, place:] = 7.0
    made[4, place] = NAN
    made[5, [0, length - 1]] = NAN
    made[6] = NAN
    made[7] = -INF
    made[7, length - 1] = NAN
    made[8] = INF
    made[8, 0] = -INF
    made[9] = 0.0
    made[9, place] = -0.0
    return made


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
@pytest.mark.parametrize("dim", [0, 1])
def test_positions_are_eagers(kind: str, length: int, dim: int) -> None:
    x = rows(length)
    x = x if dim else x.t().contiguous()
    assert torch.equal(reduced(x, kind, dim), getattr(torch, kind)(x, dim))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_positions_of_integers(kind: str, dtype: torch.dtype) -> None:
    info = torch.iinfo(dtype)
    x = torch.randint(-2, 3, (6, 37), dtype=dtype)
    x[0], x[1] = info.min, info.max
    x[2, 11:] = info.min
    x[3, :30] = info.max
    for dim, values in ((1, x), (0, x.t().contiguous())):
        assert torch.equal(reduced(values, kind, dim), getattr(torch, kind)(values, dim))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize("dim", [0, 1])
def test_extremes_are_eagers(kind: str, length: int, dim: int) -> None:
    x = rows(length)
    x = x if dim else x.t().contiguous()
    torch.testing.assert_close(reduced(x, kind, dim), getattr(x, f"a{kind}")(dim), rtol=0, atol=0, equal_nan=True)
