"""Inputs as they are written on the command line: `f32[8,64]`, `i64[4]:0:100`, `3`, `true`, `saved.pt`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from jic.errors import ConfigError

_SHORT = {
    "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "f64": torch.float64, "bool": torch.bool,
    "u8": torch.uint8, "i8": torch.int8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64,
}  # fmt: skip
_TENSOR = re.compile(r"(\w+)\[([\d,\s]*)\](?::([^:]+):([^:]+))?")
_KEYWORD = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)
_WORDS = {"true": True, "false": False, "none": None}
FORMS = "expected a tensor such as f32[8,64] or i64[4]:0:100, a number, true, false, none, or a FILE.pt"


def parse(specs: list[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments; `name=SPEC` is a keyword argument.

    Raises:
        ConfigError: a text that is none of the forms.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for spec in specs:
        if keyword := _KEYWORD.fullmatch(spec):
            kwargs[keyword[1]] = parse_one(keyword[2])
        elif kwargs:
            raise ConfigError(f"input '{spec}' follows keyword inputs", hint="put positional inputs first")
        else:
            args.append(parse_one(spec))
    return tuple(args), kwargs


def parse_one(spec: str) -> Any:
    """One input; tensors are random (see `tensor`). Raises `ConfigError`."""
    spec = spec.strip()
    if spec.lower() in _WORDS:
        return _WORDS[spec.lower()]
    if match := _TENSOR.fullmatch(spec):
        return tensor(spec, *match.groups())
    if spec.endswith((".pt", ".pth")):
        return _saved(spec)
    for kind in (int, float):
        try:
            return kind(spec)
        except ValueError:
            continue
    raise ConfigError(f"cannot read the input '{spec}'", hint=FORMS)


def tensor(spec: str, element: str, shape: str, low: str | None, high: str | None) -> torch.Tensor:
    """A random tensor: floats are normal, or uniform in `low:high`; integers are in `[low, high)`, which is `0:10` unless
    given; bools are even.
    """
    dtype = _SHORT.get(element) or getattr(torch, element, None)
    if not isinstance(dtype, torch.dtype):
        raise ConfigError(f"input '{spec}' has the unknown dtype '{element}'", hint=f"use one of {', '.join(_SHORT)}")
    try:
        sizes = [int(size) for size in shape.split(",")] if shape.strip() else []
    except ValueError as error:
        raise ConfigError(f"input '{spec}' has the shape [{shape}], expected sizes with commas between") from error
    if dtype == torch.bool:
        if low is not None:
            raise ConfigError(f"input '{spec}' has a range, which bool tensors do not take")
        return torch.rand(sizes) < 0.5
    try:
        if dtype.is_floating_point or dtype.is_complex:
            if low is None or high is None:
                return torch.randn(sizes, dtype=dtype)
            return torch.empty(sizes, dtype=dtype).uniform_(float(low), float(high))
        return torch.randint(int(low or "0"), int(high or "10"), sizes, dtype=dtype)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"cannot make the input '{spec}': {reason}", hint="a range is LOW:HIGH with LOW < HIGH"
        ) from error


def _saved(name: str) -> Any:
    if not Path(name).is_file():
        raise ConfigError(f"cannot read the input '{name}': no such file")
    try:
        return torch.load(name, weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"cannot read the input '{name}': {reason}", hint="save tensors with torch.save(tensor, path)"
        ) from error
