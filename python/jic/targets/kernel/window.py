"""The geometry of convolutions and pools, normalised to three spatial dims (depth, row, column)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from jic.errors import LoweringError

from .evaluate import accesses, argument_of, whole
from .region import Node, Region

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

    def __str__(self) -> str:
        source, target, window = (" x ".join(map(str, t)) for t in (self.source, self.target, self.window))
        moves = f"stride {self.stride}, dilation {self.dilation}, padding {self.low} before"
        return f"window of {window} over {self.batch} x {source} ({self.layout}) to {target}, {moves}"


@dataclass(frozen=True)
class Sliding:
    """A window kernel: one convolution or pool of an argument, with elementwise work after it.

    Attributes:
        node: the conv or pool.
        source, filter: the arguments that it slides over, and (of a conv) whose filter it has.
        groups: of a conv; a pool has one for each channel.
    """

    region: Region
    node: int
    window: Window
    source: int
    filter: int | None
    groups: int

    @property
    def depthwise(self) -> bool:
        """Whether each channel is a convolution of its own."""
        w = self.window
        return self.groups > 1 and self.groups == w.source_channels == w.target_channels

    @cached_property
    def mergeable(self) -> bool:
        """A convolution of single pixels whose spatial dims (and in nhwc the batch) can be walked as one."""
        return _mergeable(self.region, self.node, self.window)

    def __str__(self) -> str:
        node, w = self.region.nodes[self.node], self.window
        what = node.attributes.get("kind", "") if self.filter is None else f"of argument {self.filter}"
        channels = f"{w.source_channels} channels to {w.target_channels} in {self.groups} groups"
        return f"{node.op} {what} over argument {self.source}, {channels}\n  {w}"


def read(region: Region) -> Sliding:
    """The convolution or pool of a region.

    Raises:
        LoweringError: there is not exactly one, it does not stand on arguments, or a result has another shape.
    """
    found = region.find("conv", "pool")
    if len(found) != 1:
        raise LoweringError(f"a window kernel holds one conv or pool, got {len(found)}")
    (number,) = found
    node = region.nodes[number]
    for shape in (region.nodes[output].shape for output in region.outputs):
        if shape != node.shape:
            raise LoweringError(
                f"a window kernel's results have the shape {node.shape} of jic.{node.op}, got {shape}",
                location=node.location,
            )
    source, padding = _source(region, node)
    if node.op == "pool":
        window = Window.of(node, region.nodes[source], node.attributes["window"], padding)
        return Sliding(region, number, window, source, None, window.target_channels)
    filter_ = _filter(region, node)
    window = Window.of(node, region.nodes[source], region.nodes[filter_].shape[2:], padding)
    return Sliding(region, number, window, source, filter_, node.attributes["groups"])


def _source(region: Region, node: Node) -> tuple[int, tuple[int, ...]]:
    """The argument that `node` slides over, and the padding (low0, high0, …) that a `jic.pad` before it adds."""
    operand = node.operands[0]
    rank = len(node.attributes["stride"])
    padding = (0,) * (2 * rank)
    pad = region.nodes[operand]
    if pad.op == "pad":
        low, high = (spatial(pad.attributes[which], node.attributes["layout"]) for which in ("low", "high"))
        neutral = {"max": float("-inf"), "avg": None}.get(node.attributes.get("kind", ""), 0)
        if sum(low) + sum(high) != sum(pad.attributes["low"]) + sum(pad.attributes["high"]):
            raise LoweringError(f"a pad of other than spatial dims before jic.{node.op}", location=node.location)
        if pad.attributes["value"] != neutral:
            raise LoweringError(
                f"a pad with {pad.attributes['value']} before jic.{node.op}, which only takes {neutral}",
                location=node.location,
            )
        padding = tuple(value for pair in zip(low, high, strict=True) for value in pair)
        (operand,) = pad.operands
    argument = argument_of(region, operand)
    if argument is None:
        raise LoweringError(
            f"jic.{node.op} in a window kernel reads jic.{region.nodes[operand].op}, expected an argument",
            location=node.location,
        )
    # the shape that the op sees: an argument may be reshaped on the way
    if region.nodes[argument].shape != region.nodes[operand].shape:
        raise LoweringError(f"jic.{node.op} in a window kernel reads a reshaped argument", location=node.location)
    return argument, padding


def _filter(region: Region, node: Node) -> int:
    argument = argument_of(region, node.operands[1])
    if argument is None or region.nodes[argument].shape != region.nodes[node.operands[1]].shape:
        raise LoweringError("the filter of a convolution must be an argument of its kernel", location=node.location)
    return argument


def _mergeable(region: Region, number: int, window: Window) -> bool:
    """A convolution of single pixels whose spatial dims (and in nhwc the batch) can be walked as one."""
    if window.taps != 1 or set(window.stride) != {1} or not window.inside:
        return False
    shape = region.nodes[number].shape
    dims = range(2, len(shape)) if window.layout == "nchw" else range(len(shape) - 1)
    dims = [d for d in dims if shape[d] > 1]
    found = accesses(region, [(o, whole(region, o)) for o in region.outputs], frozenset([number]))
    if found.positional & set(dims):
        return False
    return all(
        p.coefficient(a) == p.coefficient(b) * shape[b]
        for _, p in found.loads
        for a, b in zip(dims, dims[1:], strict=False)
    )
