"""The geometry of convolutions and pools, normalised to three spatial dims (depth, row, column)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from jic.errors import LoweringError

from .region import Node

Triple = tuple[int, int, int]
ACCUMULATOR = {"f16": "f32", "bf16": "f32"}


def triple(values: tuple[int, ...], fill: int) -> Triple:
    """`values` of one to three spatial dims, with leading dims of `fill`."""
    padded = (fill,) * (3 - len(values)) + tuple(values)
    return (padded[0], padded[1], padded[2])


def spatial(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    return tuple(shape[2:] if layout == "nchw" else shape[1:-1])


def channels(shape: tuple[int, ...], layout: str) -> int:
    return shape[1] if layout == "nchw" else shape[-1]


@dataclass(frozen=True)
class Strides:
    """Distances in elements between neighbours along each dim."""

    batch: int
    depth: int
    row: int
    column: int
    channel: int


@dataclass(frozen=True)
class Window:
    """A window sliding over a source. Spatial triples are (depth, row, column); `low` is the padding before."""

    batch: int
    source_channels: int
    target_channels: int
    source: Triple
    target: Triple
    window: Triple
    stride: Triple
    low: Triple
    dilation: Triple
    layout: str
    element: str

    @staticmethod
    def of(node: Node, source: Node, window: tuple[int, ...], padding: tuple[int, ...]) -> Window:
        """The geometry of `node` (conv or pool) over `source`, with `padding` (low0, high0, …) more than its own."""
        if node.element == "i1":
            raise LoweringError(f"jic.{node.op} of bools has no kernel", location=node.location)
        attributes, layout = node.attributes, node.attributes["layout"]
        low = [a + b for a, b in zip(attributes["padding"][::2], padding[::2], strict=True)]
        return Window(
            batch=node.shape[0],
            source_channels=channels(source.shape, layout),
            target_channels=channels(node.shape, layout),
            source=triple(spatial(source.shape, layout), 1),
            target=triple(spatial(node.shape, layout), 1),
            window=triple(window, 1),
            stride=triple(attributes["stride"], 1),
            low=triple(tuple(low), 0),
            dilation=triple(attributes["dilation"], 1),
            layout=layout,
            element=node.element,
        )

    @property
    def accumulator(self) -> str:
        """The element of the sums."""
        return ACCUMULATOR.get(self.element, self.element)

    @cached_property
    def reach(self) -> Triple:
        """Positions from the first tap of a window to its last, both included."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.window, strict=True))  # type: ignore[return-value]

    @cached_property
    def inside(self) -> bool:
        """No window reaches over the source's border."""
        last = [(t - 1) * s + r for t, s, r in zip(self.target, self.stride, self.reach, strict=True)]
        return not any(self.low) and all(a <= b for a, b in zip(last, self.source, strict=True))

    @property
    def taps(self) -> int:
        return prod(self.window)

    @cached_property
    def strides(self) -> Strides:
        """Of the source."""
        c, (depth, rows, columns) = self.source_channels, self.source
        batch = c * depth * rows * columns
        if self.layout == "nhwc":
            return Strides(batch, rows * columns * c, columns * c, c, 1)
        return Strides(batch, rows * columns, columns, 1, depth * rows * columns)
