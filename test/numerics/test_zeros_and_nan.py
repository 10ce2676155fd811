"""Which zero and which NaN the extremes give: the left of two zeros, as PyTorch's scalar code; NaN wherever eager has it.

Where PyTorch's own answer depends on the size (its vector code gives the right zero in `maximum`, and any zero of a long row),
only sizes below a vector are compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from .bits import same_bits

NAN, INF = float("nan"), float("inf")
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
POOLS = ((0.0, -0.0), (0.0, -0.0, NAN), (0.0, -0.0, 1.0, -1.0), (0.0, -0.0, NAN, INF, -INF, 1.0, -1.0))


def special(rng: random.Random, pool: tuple[float, ...], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.tensor([rng.choice(pool) for _ in range(count)]).to(dtype).reshape(shape)


def pairs(x: Tensor, y: Tensor) -> list[Tensor]:
    return [
        torch.maximum(x, y),
        torch.minimum(x, y),
        torch.clamp(x, min=y),
        torch.clamp(x, max=y),
        torch.clamp(x, y, y),
    ]


def signed(x: Tensor, y: Tensor) -> list[Tensor]:
    """What PyTorch computes alike at all sizes."""
    bounds = [f(k) for k in (0.0, -0.0, 1.0, NAN) for f in (lambda k: x.clamp(min=k), lambda k: x.clamp(-1.0, k))]
    return [torch.fmax(x, y), torch.fmin(x, y), torch.relu(x), x.sign(), x.abs(), -x, torch.copysign(x, y), *bounds]


def reduced(x: Tensor) -> list[Tensor]:
    return [x.amax(-1), x.amin(-1), *x.max(-1), *x.min(-1), x.argmax(-1), x.argmin(-1), x.argmax(), x.isnan().any()]


def columns(x: Tensor) -> list[Tensor]:
    return [*x.max(0), *x.min(0), x.argmax(0), x.argmin(0)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("pool", POOLS, ids=("zeros", "nan", "ones", "all"))
def test_random_zeros_and_nan(dtype: torch.dtype, pool: tuple[float, ...]) -> None:
    rng = random.Random(f"{dtype}{pool}")
    cases: list[tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = [
        (pairs, ((5,), (5,))),
        (signed, ((5,), (5,))),
        (signed, ((3, 33), (3, 33))),
        (reduced, ((3, 5),)),
        (columns, ((5, 3),)),
        (columns, ((4, 40),)),
    ]
    for function, shapes in cases:
        same_bits(function, *(special(rng, pool, shape, dtype) for shape in shapes))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_nan_of_long_rows(dtype: torch.dtype) -> None:
    rng = random.Random(str(dtype))
    for pool in ((NAN, 1.0, -1.0), (INF, -INF, NAN), (1.0, 2.0)):
        same_bits(
            lambda x: (x.amax(1), x.amin(1), x.argmax(1), *x.min(1), x.amax()), special(rng, pool, (3, 70), dtype)
        )
        same_bits(pairs, special(rng, pool, (70,), dtype), special(rng, pool, (70,), dtype))


def test_constants_keep_their_side() -> None:
    x = torch.tensor([0.0, -0.0, NAN, 1.0, -1.0])
    for k in (0.0, -0.0):
        same_bits(lambda x: torch.maximum(torch.full_like(x, k), x), x)  # noqa: B023
        same_bits(lambda x: torch.minimum(x, torch.full_like(x, k)), x)  # noqa: B023
        same_bits(lambda x: torch.maximum(x, torch.maximum(torch.full_like(x, k), x)), x)  # noqa: B023
        same_bits(lambda x: x + torch.maximum(torch.full_like(x, k), torch.full_like(x, -k)), x)  # noqa: B023
