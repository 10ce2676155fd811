"""Integer arithmetic at the ends of each dtype, casts of all floats, and run-time ints: eager's values and errors."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from .bits import same_bits

DTYPES = [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64]
INF, NAN = float("inf"), float("nan")
FLOATS = (NAN, INF, -INF, 0.0, -0.0, 1.5, -0.9, -1.5, 127.0, 128.0, -128.0, -129.0, 255.0, 256.0, 300.0, -300.0, 32767.0, 32768.0,
          65536.0, 2.0**31 - 1, 2.0**31, -(2.0**31), -(2.0**31) - 1, -(2.0**31) - 300, 2.0**32 + 5, 2.0**40 + 7, -(2.0**40) - 7,
          2.0**53, 2.0**62, 2.0**63, -(2.0**63), 2.0**64, 1e19, -1e19, 1e30, -1e30)  # fmt: skip


def extremes(rng: random.Random, dtype: torch.dtype, count: int = 37) -> Tensor:
    limits = torch.iinfo(dtype)
    chosen = [limits.min, limits.min + 1, limits.max, limits.max - 1, 0, 1, 2, 3, 7, limits.max // 2]
    chosen += [-1, -2, -3, -7, limits.min // 2] if limits.min else []
    return torch.tensor([rng.choice(chosen) for _ in range(count)], dtype=dtype)


def divides(x: int, y: int, dtype: torch.dtype) -> bool:
    """False for the quotients on which eager itself dies (SIGFPE): the least int32 or int64 by -1."""
    return not (y == -1 and torch.iinfo(dtype).bits >= 32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_random_arithmetic_at_the_extremes(dtype: torch.dtype) -> None:
    rng = random.Random(str(dtype))
    limits = torch.iinfo(dtype)
    numbers = [1, 2, 3, 7, 16, 100, limits.max, 0, 1000, -200, 2**40, limits.min, -1, -2, -3]
    for _ in range(6):
        x, y = extremes(rng, dtype), extremes(rng, dtype)
        k = rng.choice(numbers)
        k = k if divides(0, (k + 2 ** (limits.bits - 1)) % 2**limits.bits - 2 ** (limits.bits - 1), dtype) else 3
        shift: int = rng.choice([0, 1, limits.bits - 1, limits.bits, 63, 64, 127, *([-1] if limits.min else [])])
        shifts = torch.tensor([rng.choice([0, 1, 3, limits.bits - 1, limits.bits, 127]) for _ in x], dtype=dtype)

        def divisions(x: Tensor) -> list[Tensor]:
            return [x // k, x % k, x.fmod(k), torch.div(x, k, rounding_mode="trunc")]  # noqa: B023

        def rest(x: Tensor, y: Tensor, s: Tensor) -> list[Tensor]:
            wrapped = [x + k, x * k, x - k, x < k, x == k, x & k]  # noqa: B023
            shifted = [x << s, x >> s, x << shift, x >> shift]  # noqa: B023
            return [
                *wrapped,
                *shifted,
                x + y,
                x - y,
                x * y,
                x.abs(),
                -x,
                ~x,
                x.sign(),
                x**3,
                x.relu(),
                x.sum(),
                x.prod(),
            ]

        same_bits(divisions, x)
        same_bits(rest, x, y, shifts)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_division_by_tensors(dtype: torch.dtype) -> None:
    rng = random.Random(str(dtype))
    x, y = extremes(rng, dtype), extremes(rng, dtype)
    safe = torch.where((y == 0) | (y == torch.tensor(-1).to(dtype)), 3, y).to(dtype)
    zero = safe.clone()
    zero[5] = 0
    for divisor in (safe, zero):
        same_bits(lambda x, y: (x // y, x % y, x.fmod(y), torch.div(x, y, rounding_mode="trunc")), x, divisor)


def test_the_least_int8_divided() -> None:
    x = torch.tensor([-128, -127, 127], dtype=torch.int8)
    same_bits(lambda x: (x // 3, x // -1, x % 3, x // -128, x % -128, x // 127), x)


@pytest.mark.parametrize("source", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_casts_of_floats(source: torch.dtype) -> None:
    rng = random.Random(str(source))
    for count in (1, 5, 40, 100):
        x = torch.tensor([rng.choice(FLOATS) for _ in range(count)], dtype=torch.float64).to(source)
        same_bits(lambda x: [x.to(d) for d in (*DTYPES, torch.bool)], x)
    x = torch.tensor(FLOATS, dtype=torch.float64).to(source)
    same_bits(lambda x: [x.to(d) for d in (*DTYPES, torch.bool)], x)


@pytest.mark.parametrize("value", FLOATS)
def test_casts_of_constants(value: float) -> None:
    def fn(x: Tensor) -> list[Tensor]:
        return [x.to(d) + torch.full((3,), value, dtype=torch.float64).to(d) for d in DTYPES]

    same_bits(fn, torch.zeros(3))


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float16, torch.float32], ids=str)
def test_numbers_that_do_not_fit(dtype: torch.dtype) -> None:
    x = torch.tensor([0, 1, 5]).to(dtype)
    for number in (300, -300, -1, 2**40, 1e39, 1e6, NAN):
        if isinstance(number, int) or dtype.is_floating_point:
            for fn in (
                lambda x: x.masked_fill(x > 1, number),  # noqa: B023
                lambda x: x.clamp(max=number),  # noqa: B023
                lambda x: x.clamp(min=number),  # noqa: B023
                lambda x: torch.full_like(x, number),  # noqa: B023
                lambda x: torch.where(x > 1, x, number),  # noqa: B023
                lambda x: torch.nn.functional.pad(x, (1, 1), value=number),  # noqa: B023
                lambda x: torch.nn.functional.threshold(x, 1, number),  # noqa: B023
                lambda x: x + number,  # noqa: B023
                lambda x: torch.add(x, x, alpha=number),  # noqa: B023
            ):
                same_bits(fn, x, compiled=False)


def test_bools_are_not_subtracted() -> None:
    x = torch.arange(4)
    for fn in (
        lambda x: x - (x > 1),
        lambda x: (x > 1) - x,
        lambda x: (x > 1) - (x > 2),
        lambda x: torch.rsub(x, x > 1),
    ):
        same_bits(fn, x, compiled=False)


def quotients(a: Tensor, b: Tensor) -> tuple[int, int, float]:
    return int(a) // int(b), int(a) % int(b), int(a) / int(b)


def shifts(a: Tensor, b: Tensor) -> tuple[int, int, int, int]:
    return int(a) << 3, int(a) >> 100, 5 << int(b), -100 >> int(b)


def sums(a: Tensor, b: Tensor) -> tuple[int, int, int, int, int]:
    return int(a) + int(b), int(a) - int(b), int(a) * int(b), -int(a), abs(int(a))


@pytest.mark.parametrize("a", [0, 7, -7, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("b", [0, 1, -1, 3, -3, 2**63 - 1, -(2**63)])
def test_run_time_ints(a: int, b: int) -> None:
    for fn in (quotients, shifts, sums):
        if fn is not shifts or b < 2**32:
            same_bits(fn, torch.tensor(a), torch.tensor(b))


def negative_shift(a: Tensor) -> int:
    return int(a) << -1


def test_errors_of_pythons_ints() -> None:
    same_bits(negative_shift, torch.tensor(3))
    same_bits(quotients, torch.tensor(3), torch.tensor(0))


def answers(a: Tensor, b: Tensor) -> dict[str, object]:
    truth = int(a) >= int(b)
    both = int(a) > 1 and int(b) > 1
    return {"ge": truth, "and": both, "not": not truth, "in": int(a) in (1, 2, 3), "int": int(a), "float": float(b),
            "eq": float(a) == 3.0, "tuple": (bool(a), a.item(), (a > 2).item()), "chain": 1 < int(b) < int(a)}  # fmt: skip


def test_numbers_come_back_as_pythons() -> None:
    for a, b in ((3, 2), (2, 3), (0, 0)):
        same_bits(answers, torch.tensor(a), torch.tensor(b))
