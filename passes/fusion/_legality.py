"""Which views keep an operand's index a linear function of the iteration indices, and how they look in another shape.

A group has one iteration shape. A value of another shape with the same elements in the same order (a `reshape` lies
between) is computed in the group's shape instead, so that no index needs a division.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch_mlir import ir

from jic.dialects.window import spatial_dims

from ._graph import Graph, Shape, is_static
from ._ops import ELEMENTWISE


def factor_groups(a: Sequence[int], b: Sequence[int]) -> list[tuple[list[int], list[int]]] | None:
    """Split the dims of two shapes of equal size into the shortest runs of equal product; None if there is no element.

    `[6, 4]` and `[2, 3, 4]` give `[([0], [0, 1]), ([1], [2])]`. Dims of size 1 join the run before them.
    """
    if prod(a) != prod(b) or not prod(a):
        return None
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        left, right, m, n = [], [], 1, 1
        while not (left or right) or m != n:
            if m <= n and i < len(a) or j >= len(b):
                m, i = m * a[i], i + 1
                left.append(i - 1)
            else:
                n, j = n * b[j], j + 1
                right.append(j - 1)
        groups.append((left, right))
    return _join_units(groups, a, b)


def _join_units(
    groups: list[tuple[list[int], list[int]]], a: Sequence[int], b: Sequence[int]
) -> list[tuple[list[int], list[int]]]:
    """Runs with dims on one side only hold sizes of 1: they join the run before them, or the one after."""
    joined: list[tuple[list[int], list[int]]] = []
    for left, right in groups:
        lone = not left or not right or (joined and not (joined[-1][0] and joined[-1][1]))
        if lone and joined:
            joined[-1][0].extend(left)
            joined[-1][1].extend(right)
        else:
            joined.append((left, right))
    return joined


def rebroadcast(
    source: Shape, dims: Sequence[int], result: Shape, target: Shape
) -> tuple[Shape, tuple[int, ...]] | None:
    """A broadcast `source -> result` as one to `target` (`result` reshaped): its source's new shape, and its dims.

    None if a run of dims that the reshape merges or splits is partly repeated and partly not.
    """
    if result == target:
        return source, tuple(dims)
    groups = factor_groups(result, target)
    if groups is None:
        return None
    present = {d for s, d in zip(source, dims, strict=True) if s == result[d]}
    shape: list[int] = []
    new_dims: list[int] = []
    for old, new in groups:
        real = [d for d in old if result[d] != 1]
        if not real or all(d not in present for d in real):
            continue
        if any(d not in present for d in real):
            return None
        shape += [target[d] for d in new]
        new_dims += new
    return tuple(shape), tuple(new_dims)


def splits_only(source: Shape, target: Shape) -> bool:
    """True if a reshape `source -> target` only splits dims, or drops and adds dims of size 1.

    Then it may stand on a computed value.
    """
    groups = factor_groups(source, target)
    return groups is not None and all(sum(source[d] != 1 for d in old) <= 1 for old, _ in groups)


def reads_as(source: Shape, dims: Sequence[int], result: Shape, reduced: Shape, kept: Sequence[int]) -> bool:
    """True if a broadcast `source -> result` reads the same elements as one from `reduced` along `kept` does."""
    if prod(source) != prod(reduced):
        return False
    return _strides(source, dims, result) == _strides(reduced, kept, result)


def _strides(source: Shape, dims: Sequence[int], result: Shape) -> list[int]:
    strides = [0] * len(result)
    step = 1
    for size, d in reversed(list(zip(source, dims, strict=True))):
        if size != 1:
            strides[d] = step
        step *= size
    return strides


def fits(graph: Graph, index: int, target: Shape) -> bool:
    """True if the pointwise node `index` can be computed inside a group in the shape `target`."""
    node = graph.nodes[index]
    shape = graph.shape(index)
    if shape == target:
        return True
    if not is_static(shape) or not is_static(target):
        return False
    if node.name in ELEMENTWISE or node.name == "reshape":
        return True
    if node.name == "constant":
        return graph.is_splat(index)
    if node.name == "broadcast":
        source = graph.shapes[node.inputs[0]]
        return rebroadcast(source, graph.ints(index, "dims"), shape, target) is not None  # type: ignore[arg-type]
    return splits_only(shape, target)  # type: ignore[arg-type]


def operand_shape(graph: Graph, index: int, target: Shape, position: int) -> Shape:
    """The shape that operand `position` has inside the group when the node is computed as `target`; see `fits`."""
    node = graph.nodes[index]
    own = graph.shapes[node.inputs[position]]
    assert own is not None
    if node.name in ELEMENTWISE or node.name == "reshape":
        return target
    if node.name == "broadcast" and graph.shape(index) != target:
        moved = rebroadcast(own, graph.ints(index, "dims"), graph.shape(index), target)  # type: ignore[arg-type]
        assert moved is not None
        return moved[0]
    return own


def pads_window(graph: Graph, pad: int, window: int) -> bool:
    """True if node `pad` may become padding of the conv or pool `window`, which reads it.

    It must surround the spatial dims of what the window slides over, with what the op itself pads with.
    """
    source, *others = graph.producers(window)
    if source != pad or pad in others:
        return False
    op = graph.nodes[window].op
    kind = ir.StringAttr(op.attributes["kind"]).value if "kind" in op.attributes else "sum"
    if kind == "avg":  # its padding is not counted
        return False
    value = graph.nodes[pad].op.attributes["value"].value  # type: ignore[attr-defined]
    if value != (float("-inf") if kind == "max" else 0):
        return False
    low, high = graph.ints(pad, "low"), graph.ints(pad, "high")
    spatial = spatial_dims(ir.StringAttr(op.attributes["layout"]).value, len(low))
    return not any(low[d] or high[d] for d in range(len(low)) if d not in spatial)
