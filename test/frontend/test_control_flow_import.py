"""Markers of captured graphs: import as regions, in-place ops in them, dead code, fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from support.frontend import check
from torch import Tensor

from jic import dialects
from jic.errors import CaptureError
from jic.frontend import trace
from jic.frontend.control.markers import ops
from jic.frontend.importer import import_graph, import_torch


def scalar(value: int) -> Tensor:
    return torch.full((), value, dtype=torch.int64)


def loop(trips: int | Tensor, inits: Sequence[Tensor], body: Callable[..., Sequence[Tensor]]) -> list[Tensor]:
    index, *carried = ops.loop_begin(scalar(trips) if isinstance(trips, int) else trips, inits)
    return ops.loop_end(list(body(index, *carried)))


def while_(inits: Sequence[Tensor], condition: Callable[..., Tensor], body: Callable[..., Any]) -> list[Tensor]:
    carried = ops.while_begin(inits)
    carried = ops.while_cond(condition(*carried), carried)
    return ops.while_end(list(body(*carried)))


def if_(condition: Tensor, then: Callable[[], Any], otherwise: Callable[[], Any]) -> list[Tensor]:
    ops.if_begin(condition)
    first = list(then())
    ops.if_else(first)
    return ops.if_end(list(otherwise()), first)


def text(fn: Callable[..., Any], *args: Any) -> str:
    return str(import_graph(trace(fn, args), dialects.context()))
