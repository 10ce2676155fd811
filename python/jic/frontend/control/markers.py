"""The ops that stand for control flow in a captured graph, which is flat: markers open, part and close regions.

    loop_begin(trip_count, inits) -> [index, *carried]    … body …    loop_end(next) -> results
    while_begin(inits) -> carried    … condition …    while_cond(condition, values) -> values    … body …
        while_end(next) -> results
    if_begin(condition) -> []    … then …    if_else(then_values) -> []    … else …
        if_end(else_values, then_values) -> results

Regions nest as brackets do. What a region does not define it captures by simply using it. `trip_count` and the index are
0-d i64 tensors, conditions 0-d bool tensors; carried values keep dtype and shape. Every result is a new tensor that
aliases nothing; a region hands over values, not memory. Branches of an `if` give equal dtypes and shapes; None stands
for "any value" where only the other branch has one.

    dynamic_slice(x, index, dim, size)          x.narrow(dim, index, size) at a run-time start, a 0-d i64 tensor
    dynamic_update(x, update, index, dim)       x with that slice replaced; `dynamic_update_` writes into x
    bail(condition, message)                    outside all regions: give up this call if `condition`; it runs eagerly instead

Starts are clamped into range. Nothing here runs by itself: `structured.run` runs a graph that holds markers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..layouts import dense_like

_library = torch.library.Library("jic", "DEF")
_SCHEMAS = (
    "loop_begin(Tensor trip_count, Tensor[] inits) -> Tensor[]",
    "loop_end(Tensor[] next) -> Tensor[]",
    "while_begin(Tensor[] inits) -> Tensor[]",
    "while_cond(Tensor condition, Tensor[] values) -> Tensor[]",
    "while_end(Tensor[] next) -> Tensor[]",
    "if_begin(Tensor condition) -> Tensor[]",
    "if_else(Tensor?[] values) -> Tensor[]",
    "if_end(Tensor?[] values, Tensor?[] then_values) -> Tensor[]",
    "dynamic_slice(Tensor self, Tensor index, int dim, int size) -> Tensor",
    "dynamic_update(Tensor self, Tensor update, Tensor index, int dim) -> Tensor",
    "dynamic_update_(Tensor(a!) self, Tensor update, Tensor index, int dim) -> Tensor(a!)",
    "bail(Tensor condition, str message) -> ()",
)
_PLAIN = ("dynamic_slice", "dynamic_update", "dynamic_update_")
for _schema in _SCHEMAS:
    # The tag keeps torch from computing the others, which do not run by themselves, of constants, and from removing them.
    _plain = _schema.partition("(")[0] in _PLAIN
    _library.define(_schema, tags=() if _plain else (torch.Tag.nondeterministic_seeded,))

ops = torch.ops.jic
OPENING = frozenset({ops.loop_begin.default, ops.while_begin.default, ops.if_begin.default})
PARTING = frozenset({ops.while_cond.default, ops.if_else.default})
CLOSING = frozenset({ops.loop_end.default, ops.while_end.default, ops.if_end.default})
MARKERS = OPENING | PARTING | CLOSING
# In the meta data of a copy that gives a tensor what a region wrote to it, as no copy of the user's does.
WRITE_BACK = "jic_write_back"


def _like(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [_new(t, t.shape) for t in tensors]


def _new(like: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """A new tensor, dense, with its dims in the order in which those of `like` lie in memory."""
    return like.new_empty_strided(shape, dense_like(shape, like.stride()))


def _loop_begin(trip_count: torch.Tensor, inits: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return _like([trip_count, *inits])


def _while_cond(condition: torch.Tensor, values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return _like(values)


def _nothing(*_: object) -> list[torch.Tensor]:
    return []


def _if_end(values: Sequence[torch.Tensor | None], then_values: Sequence[torch.Tensor | None]) -> list[torch.Tensor]:
    return _like([t if e is None else e for t, e in zip(then_values, values, strict=True)])  # type: ignore[misc]


def _dynamic_slice(x: torch.Tensor, index: torch.Tensor, dim: int, size: int) -> torch.Tensor:
    return _new(x, [size if d == dim else s for d, s in enumerate(x.shape)])


def _dynamic_update(x: torch.Tensor, update: torch.Tensor, index: torch.Tensor, dim: int) -> torch.Tensor:
    return _new(x, x.shape)


_META = {
    "loop_begin": _loop_begin,
    "loop_end": _like,
    "while_begin": _like,
    "while_cond": _while_cond,
    "while_end": _like,
    "if_begin": _nothing,
    "if_else": _nothing,
    "if_end": _if_end,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update": _dynamic_update,
    "dynamic_update_": lambda x, update, index, dim: x,
    "bail": lambda condition, message: None,
}
for _name, _function in _META.items():
    _library.impl(_name, _function, "Meta")
