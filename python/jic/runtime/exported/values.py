"""Python values as JSON: what a manifest says of constants. docs/artifact.md has the forms."""

from __future__ import annotations

import base64
import collections
import math
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["decode", "encode"]


def encode(value: Any) -> Any:
    """`value` as JSON.

    Raises:
        ValueError: a value that has no form; the message says which.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is complex:
        return {"complex": [encode(value.real), encode(value.imag)]}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode()}
    if value is Ellipsis:
        return {"ellipsis": True}
    if kind in _NAMED:
        return {_NAMED[kind]: str(value).removeprefix("torch.")}
    if kind is slice:
        return {"slice": [encode(value.start), encode(value.stop), encode(value.step)]}
    if kind is range:
        return {"range": [value.start, value.stop, value.step]}
    if kind is torch.Size:
        return {"size": list(value)}
    if kind in (tuple, list):
        return {kind.__name__: [encode(v) for v in value]}
    if kind in (dict, collections.OrderedDict):
        name = "dict" if kind is dict else "ordered_dict"
        return {name: [[encode(k), encode(v)] for k, v in value.items()]}
    raise ValueError(f"a {kind.__module__}.{kind.__qualname__} has no form in JSON")


_NAMED = {
    torch.dtype: "dtype",
    torch.device: "device",
    torch.layout: "layout",
    torch.memory_format: "memory_format",
}


def decode(form: Any) -> Any:
    """The value that `form` stands for.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: not a form.
    """
    if form is None or isinstance(form, (bool, int, float, str)):
        return form
    ((kind, content),) = form.items()
    return _DECODERS[kind](content)


def of_torch(kind: type) -> Callable[[str], Any]:
    """What finds torch's constant of this kind by its name."""

    def find(name: str) -> Any:
        found = getattr(torch, name)
        if type(found) is not kind:
            raise ValueError(f"torch.{name} is no {kind.__name__}")
        return found

    return find


dtype = of_torch(torch.dtype)
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "complex": lambda parts: complex(*map(decode, parts)),
    "bytes": base64.b64decode,
    "ellipsis": lambda _: Ellipsis,
    "dtype": dtype,
    "device": torch.device,
    "layout": of_torch(torch.layout),
    "memory_format": of_torch(torch.memory_format),
    "slice": lambda parts: slice(*map(decode, parts)),
    "range": lambda parts: range(*parts),
    "size": torch.Size,
    "tuple": lambda items: tuple(map(decode, items)),
    "list": lambda items: list(map(decode, items)),
    "dict": lambda items: {decode(k): decode(v) for k, v in items},
    "ordered_dict": lambda items: collections.OrderedDict((decode(k), decode(v)) for k, v in items),
}
