"""What a convolution computes, normalised to three spatial dims, and how its kernel is blocked.

The kernel is an implicit matrix product: `tile.rows x tile.columns` output pixels times `tile.vectors` vectors of output
channels stay in registers while all taps and input channels of a group are summed. The pixels of a tile lie at constant
distances in memory, so each needs no address of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

from jic.errors import LoweringError

from ...common.region import Node
from ..machine import Machine

Triple = tuple[int, int, int]
ACCUMULATOR = {"f16": "f32", "bf16": "f32"}


def triple(values: tuple[int, ...], fill: int) -> Triple:
    """`values` of one to three spatial dims, with leading dims of `fill`."""
    padded = (fill,) * (3 - len(values)) + tuple(values)
    return (padded[0], padded[1], padded[2])


def spatial(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    return shape[2:] if layout == "nchw" else shape[1:-1]


def channels(shape: tuple[int, ...], layout: str) -> int:
    return shape[1] if layout == "nchw" else shape[-1]


@dataclass(frozen=True)
class Window:
    """The geometry that convolutions and pools share. Spatial triples are (depth, row, column); `low` is the padding before."""

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
    def of(node: Node, source: Node, window: tuple[int, ...]) -> Window:
        attributes, layout = node.attributes, node.attributes["layout"]
        return Window(
            batch=node.shape[0],
            source_channels=channels(source.shape, layout),
            target_channels=channels(node.shape, layout),
            source=triple(spatial(source.shape, layout), 1),
            target=triple(spatial(node.shape, layout), 1),
            window=triple(window, 1),
            stride=triple(attributes["stride"], 1),
            low=triple(attributes["padding"][::2], 0),
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

    @property
    def empty(self) -> bool:
        return 0 in self.target or 0 in (self.batch, self.target_channels)

    def lanes(self, machine: Machine) -> int:
        """Elements of a vector; narrow integers are held in 32 bit lanes' number."""
        return max(2, machine.lanes(self.accumulator if self.accumulator in ("f32", "f64", "i64") else "i32"))


@dataclass(frozen=True)
class Tile:
    """The register block: `rows x columns` pixels times `vectors` vectors of output channels."""

    rows: int
    columns: int
    vectors: int

    @property
    def pixels(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True)
class Strides:
    """Distances in elements in the memory that the micro kernel reads, dims named as in `Window`."""

    batch: int
    depth: int
    row: int
    column: int
    channel: int


@dataclass(frozen=True)
class Plan:
    """A blocked convolution.

    A task is one batch entry, one output depth, `rows` output rows and `panels_per_task` panels of `width` output
    channels. With `copy` it reads its patch of the source, padded with zeros and converted to the accumulator's element,
    from scratch; otherwise from the source itself.
    """

    window: Window
    groups: int
    lanes: int
    tile: Tile
    rows: int
    panels_per_task: int
    copy: bool
    strides: Strides

    @property
    def depth(self) -> int:
        """Input channels of a group."""
        return self.window.source_channels // self.groups

    @property
    def filters(self) -> int:
        """Output channels of a group."""
        return self.window.target_channels // self.groups

    @property
    def width(self) -> int:
        return self.tile.vectors * self.lanes

    @property
    def steps(self) -> int:
        """Length of the contraction."""
        return self.window.taps * self.depth

    @property
    def group_panels(self) -> int:
        return ceil(self.filters / self.width)

    @property
    def panels(self) -> int:
        return self.groups * self.group_panels

    @property
    def splits(self) -> int:
        return ceil(self.panels / self.panels_per_task)

    @property
    def blocks(self) -> int:
        return ceil(self.window.target[1] / self.rows)

    @property
    def tasks(self) -> int:
        return self.window.batch * self.window.target[0] * self.blocks * self.splits

    @property
    def patch(self) -> Triple:
        """Spatial size of a task's patch of the source: all its columns, and what `rows` output rows read of the others."""
        w = self.window
        return (w.reach[0], (self.rows - 1) * w.stride[1] + w.reach[1], (w.target[2] - 1) * w.stride[2] + w.reach[2])

    @property
    def patch_elements(self) -> int:
        return self.strides.batch if self.copy else 0

    @property
    def nanoseconds(self) -> int:
        """Estimated time on one core: a vector multiply-add a cycle, 70 % of the time, at 3.4 GHz."""
        w = self.window
        outputs = w.batch * prod(w.target) * self.panels * self.width
        return int(outputs * (self.steps + 8) / self.lanes / 2.4) + 100


def make_plan(window: Window, groups: int, machine: Machine) -> Plan:
    lanes = window.lanes(machine)
    depth, filters = window.source_channels // groups, window.target_channels // groups
    tile = choose_tile(window, filters, window.taps * depth, lanes, machine.vector_registers)
    copy = not window.inside or window.element != window.accumulator
    plan = Plan(window, groups, lanes, tile, tile.rows, 1, copy, Strides(0, 0, 0, 0, 0))
    rows = _rows(plan, machine)
    plan = Plan(window, groups, lanes, tile, rows, plan.panels, copy, plan.strides)
    splits = min(plan.panels, ceil(_wanted_tasks(plan) / max(1, plan.tasks)))
    panels_per_task = ceil(plan.panels / splits)
    strides = patch_strides(plan) if copy else source_strides(window)
    return Plan(window, groups, lanes, tile, rows, panels_per_task, copy, strides)


def choose_tile(window: Window, filters: int, steps: int, lanes: int, registers: int) -> Tile:
    """The register block with the least estimated time for the whole convolution."""
    _, height, width = window.target
    best, best_cost = Tile(1, 1, 1), float("inf")
    for vectors in range(1, 5):
        panels = ceil(filters / (vectors * lanes))
        if vectors > 1 and panels * vectors > ceil(filters / lanes) * 1.34:
            continue
        pixels = (registers - 2 - vectors) // vectors
        for columns in range(1, min(width, pixels) + 1):
            if window.layout == "nchw" and columns > lanes:
                break
            for rows in range(1, (min(height, pixels // columns) if columns == width else 1) + 1):
                tiles = ceil(height / rows) * ceil(width / columns) * panels
                p, v = rows * columns, vectors
                # a multiply-add a cycle, two scalar or one vector load, five operations; a chain of adds takes four
                step = max(p * v, v + p / 2, (p * v + p + v + 2) / 5, 5)
                write = p * v * 4 + (0 if window.layout == "nhwc" else v * lanes * 5 * rows)
                cost = tiles * (step * steps + write + 25)
                if cost < best_cost * 0.999:
                    best, best_cost = Tile(rows, columns, vectors), cost
    return best


def _wanted_tasks(plan: Plan) -> int:
    """Enough for balance over threads, but none much shorter than 50 us."""
    return max(1, min(32, plan.nanoseconds // 50_000))


def _rows(plan: Plan, machine: Machine) -> int:
    """Output rows of a task: a patch of at most a quarter of L2, and enough pixels for each pass over the filter."""
    window, tile = plan.window, plan.tile
    _, height, width = window.target
    row_bytes = window.reach[0] * plan.patch[2] * window.source_channels * 4 * window.stride[1]
    filter_bytes = plan.panels * plan.width * plan.steps * 4
    most = max(1, machine.l2 // 4 // max(1, row_bytes))
    least = ceil((56 if filter_bytes > machine.l2 // 2 else 28) / width)
    outer = window.batch * window.target[0]
    rows = max(min(ceil(height / ceil(_wanted_tasks(plan) / outer)), most), least)
    rows = ceil(height / ceil(height / max(1, min(height, rows))))
    return min(height, ceil(rows / tile.rows) * tile.rows)


def patch_strides(plan: Plan) -> Strides:
    """Layout of a patch in scratch; `batch` is its size. Channels stay where the layout has them."""
    c, (depth, rows, columns) = plan.window.source_channels, plan.patch
    if plan.window.layout == "nhwc":
        return Strides(depth * rows * columns * c, rows * columns * c, columns * c, c, 1)
    # an odd number of cache lines between channels keeps them out of each other's cache sets
    channel = ceil(depth * rows * columns / 16) | 1
    return Strides(c * channel * 16, rows * columns, columns, 1, channel * 16)


def source_strides(window: Window) -> Strides:
    c, (depth, rows, columns) = window.source_channels, window.source
    batch = c * depth * rows * columns
    if window.layout == "nhwc":
        return Strides(batch, rows * columns * c, columns * c, c, 1)
    return Strides(batch, rows * columns, columns, 1, depth * rows * columns)


def conv_window(node: Node, source: Node, filter_: Node) -> Window:
    if node.element == "i1":
        raise LoweringError("a convolution of bools has no kernel", location=node.location)
    return Window.of(node, source, filter_.shape[2:])
