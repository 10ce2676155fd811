"""A call's kind, and why it is not compiled, in words."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from .. import errors as jic_errors
from ..errors import FallbackError, JicError
from ..frontend import Reason


class _Shown:
    """Stands in a call for something that is shown as `text`."""

    def __init__(self, text: str) -> None:
        self.text = text


def signature_text(args: tuple[Any, ...], kwargs: dict[str, Any], numbers: Collection[int] = ()) -> str:
    """A call's kind in words: `(f32[8, 64], 3, mask=None)`. The leaves `numbers` are shown as their types."""
    if numbers:
        leaves, spec = pytree.tree_flatten((args, kwargs))
        for place in numbers:
            leaves[place] = _Shown(type(leaves[place]).__name__)
        args, kwargs = pytree.tree_unflatten(leaves, spec)
    parts = [_show(a) for a in args] + [f"{k}={_show(v)}" for k, v in kwargs.items()]
    mode = " with gradients" if torch.is_grad_enabled() else ""
    return "(" + ", ".join(parts) + ")" + mode


def _show(value: Any) -> str:
    if isinstance(value, _Shown):
        return value.text
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        if value.layout != torch.strided:
            return f"{dtype}{list(value.shape)} {value.layout}"
        layout = "" if value.is_contiguous() else f" strides {tuple(value.stride())}"
        return f"{dtype}{list(value.shape)}{layout}{' grad' if value.requires_grad else ''}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_show, value)) + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_show(v)}" for k, v in value.items()) + "}"
    return _text(value)


def _text(value: Any) -> str:
    try:
        return repr(value)[:60]
    except Exception:  # the user's own code
        return f"<{type(value).__name__}>"


def name_of(fn: Any) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


def reason_of(error: Exception, fn: Any) -> Reason:
    if isinstance(error, JicError):
        hint = f" ({error.hint})" if error.hint else ""
        return Reason(name_of(fn), f"[{error.code}] {error.message}{hint}", error.location)
    return Reason(name_of(fn), f"internal error: {type(error).__name__}: {error}")


def warn(text: str) -> None:
    """A warning at the line of the user's that made the call."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INTERNAL):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


_INTERNAL = tuple(str(Path(file).parent) + os.sep for file in (jic_errors.__file__, torch.__file__))


def strict_error(reasons: list[Reason]) -> FallbackError:
    lines = [f"{r.op}: {r.why}" + (f" ({r.location})" if r.location else "") for r in reasons]
    return FallbackError(
        "strict=True and these would not run compiled:\n    " + "\n    ".join(lines),
        hint="drop strict=True to let them run through ATen or eagerly",
        location=reasons[0].location if reasons else "",
    )
