"""How a convolution is blocked.

The kernel is an implicit matrix product: `tile.rows x tile.columns` output pixels times `tile.vectors` vectors of
output channels stay in registers while all taps and input channels of a group are summed. The pixels of a tile lie at
constant distances in memory, so each needs no address of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod

from ....kernel.window import Strides, Window
from ...machine import Machine
from .patch import Patch, lanes_of

# Widths of the rows that pixels without neighbours are cut into.
FLAT_WIDTHS = (56, 64, 48, 42, 28, 32)


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
class ConvPlan:
    """A blocked convolution.

    A task is one batch entry, one output depth, `rows` output rows and `panels_per_task` panels of `width` output
    channels. With `copy` it reads a `Patch` of the source in scratch, otherwise the source itself.

    A small filter is packed once, by a launch of its own, and tasks that follow one another share a patch. A filter
    that L2 does not hold is packed by the tasks that read it, a panel at a time (`packs`); tasks that follow one
    another share the panel.

    With `flat` pixels (a window of one tap), the window's rows are cuts of one line of that many pixels; the last row
    overlaps the one before.
    """

    window: Window
    groups: int
    lanes: int
    tile: Tile
    copy: bool
    flat: int = 0
    rows: int = 1
    panels_per_task: int = 1
    packs: bool = False

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
        """Output channels of a panel."""
        return self.tile.vectors * self.lanes

    @property
    def steps(self) -> int:
        """Length of the contraction."""
        return self.window.taps * self.depth

    @cached_property
    def channel_block(self) -> int:
        """Input channels that the packed filter keeps together: a divisor of `depth`."""
        panel_bytes = self.depth * self.window.taps * self.width * 4
        most = 256 if self.window.taps == 1 else 64 if panel_bytes > 1 << 17 else self.depth
        return next((n for n in range(min(most, self.depth), 15, -1) if self.depth % n == 0), self.depth)

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

    @cached_property
    def patch(self) -> Patch:
        return Patch(self.window, self.lanes, self.rows, self.window.source_channels)

    @cached_property
    def strides(self) -> Strides:
        """Of the memory that the micro kernel reads."""
        if self.copy:
            return self.patch.strides
        strides = self.window.strides
        if self.flat and self.window.layout == "nchw":
            return replace(strides, batch=self.flat * self.window.source_channels, channel=self.flat)
        return strides

    @property
    def nanoseconds(self) -> int:
        """Estimated time on one core: a vector multiply-add a cycle at 3.4 GHz, nine tenths of the time."""
        w = self.window
        outputs = w.batch * prod(w.target) * self.panels * self.width
        return int(outputs * (self.steps + 8) / self.lanes / 3.1) + 100


def make_plan(window: Window, groups: int, machine: Machine, flat: bool) -> ConvPlan:
    """Choose tile and tasks. `flat` allows that a window of one tap walks all pixels as one line."""
    copy = not window.inside or window.element != window.accumulator
    flat = flat and not copy
    pixels = prod(window.target) * (window.batch if window.layout == "nhwc" else 1)
    if flat:
        window = flatten(window, pixels)
    lanes = lanes_of(window, machine)
    depth, filters = window.source_channels // groups, window.target_channels // groups
    tile = choose_tile(window, filters, window.taps * depth, lanes, machine.vector_registers, flat)
    plan = ConvPlan(window, groups, lanes, tile, copy, pixels if flat else 0, tile.rows)
    plan = replace(plan, rows=_rows(plan, machine), panels_per_task=plan.panels)
    if _filter_bytes(plan) > machine.l2 // 2 and _packing_pays(plan):
        return replace(plan, panels_per_task=1, packs=True)
    splits = min(plan.panels, ceil(_wanted_tasks(plan) / max(1, plan.tasks)))
    return replace(plan, panels_per_task=ceil(plan.panels / splits))


def flatten(window: Window, pixels: int) -> Window:
    """`window`, of one tap, over a line of `pixels` cut into rows."""
    width = min(FLAT_WIDTHS, key=lambda w: ceil(pixels / w) * w)
    if pixels <= max(FLAT_WIDTHS):
        width = pixels
    shape = (1, ceil(pixels / width), width)
    return replace(window, batch=1 if window.layout == "nhwc" else window.batch, source=shape, target=shape)


def choose_tile(window: Window, filters: int, steps: int, lanes: int, registers: int, flat: bool) -> Tile:
    """The register block with the least estimated time for the whole convolution."""
    _, height, width = window.target
    best, best_cost = Tile(1, 1, 1), float("inf")
    for vectors in range(1, 5):
        panels = ceil(filters / (vectors * lanes))
        pixels = (registers - 2 - vectors) // vectors
        for columns in range(1, min(width, pixels) + 1):
            if window.layout == "nchw" and columns > lanes:
                break
            several = columns == width and not flat
            for rows in range(1, (min(height, pixels // columns) if several else 1) + 1):
                tiles = ceil(height / rows) * ceil(width / columns) * panels
                p, v = rows * columns, vectors
                # a multiply-add a cycle; two scalar or one vector load, five operations; a chain of adds takes four;
                # the filter comes from L2
                step = max(p * v, v + p / 2, (p * v + p + v + 2) / 5, 5) + 0.3 * v + 0.3
                write = p * v * 4 + (0 if window.layout == "nhwc" else v * lanes * 6 * rows)
                cost = tiles * (step * steps + write + 25)
                if cost < best_cost:
                    best, best_cost = Tile(rows, columns, vectors), cost
    return best


def _wanted_tasks(plan: ConvPlan) -> int:
    """Enough for balance over threads, but none much shorter than 50 us."""
    return max(1, min(32, plan.nanoseconds // 50_000))


def _packing_pays(plan: ConvPlan) -> bool:
    """Whether tasks should pack their panels themselves.

    That saves the packed filter's way through memory, and costs a copy of the patch a panel; an element of the first is
    worth about four of the second.
    """
    copied = plan.panels * plan.tasks * plan.patch.elements if plan.copy else 0
    return copied < 4 * plan.panels * plan.width * plan.steps


def _filter_bytes(plan: ConvPlan) -> int:
    return plan.panels * plan.width * plan.steps * 4


def _rows(plan: ConvPlan, machine: Machine) -> int:
    """Output rows of a task: a patch of at most a quarter of L2, and enough pixels for each pass over the filter."""
    window, tile = plan.window, plan.tile
    _, height, width = window.target
    row_bytes = window.reach[0] * plan.patch.size[2] * window.source_channels * 4 * window.stride[1]
    most = max(1, machine.l2 // 4 // max(1, row_bytes))
    least = ceil((56 if _filter_bytes(plan) > machine.l2 // 2 else 28) / width)
    outer = window.batch * window.target[0]
    rows = max(min(ceil(height / ceil(_wanted_tasks(plan) / outer)), most), least)
    rows = ceil(height / ceil(height / max(1, min(height, rows))))
    if tile.rows == 1:
        return rows
    # blocks of one height, which overlap where they do not fit: as little as possible
    fitting = range(tile.rows, height + 1, tile.rows)
    return min(fitting, key=lambda n: (n < least, ceil(height / n) * n, abs(n - rows)))
