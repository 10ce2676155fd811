"""Packing the filter of a convolution into the order in which its kernel reads it."""

from __future__ import annotations

from torch_mlir import ir

from ....ir import index_ops as g
from ...kernel import KernelModule
from .conv_plan import ConvPlan
from .patch import to_accumulator
from .transpose import transpose


def pack_filter(module: KernelModule, name: str, plan: ConvPlan) -> int:
    """Kernel `name`: filter `[O, I, *window]` to panels `[panel][channel block][tap][channel][width]`.

    The panels are in the accumulator's element. Returns the number of tasks.
    """
    window = plan.window
    blocks = plan.depth // plan.channel_block if plan.depth else 0
    sizes = [
        (window.target_channels * plan.steps, window.element),
        (plan.panels * plan.steps * plan.width, window.accumulator),
    ]
    with module.function(name, sizes) as kernel:
        source, target = kernel.buffers
        with g.loop(kernel.begin, kernel.end) as task:
            panel, number = g.div(task, max(1, blocks)), g.rem(task, max(1, blocks))
            pack_block(plan, source, target, panel, number, g.mul(panel, plan.steps * plan.width))
    return plan.panels * blocks


def pack_panel(plan: ConvPlan, source: ir.Value, target: ir.Value, panel: g.Index) -> None:
    """Pack one panel to the start of `target`."""
    with g.loop(0, plan.depth // plan.channel_block if plan.depth else 0) as number:
        pack_block(plan, source, target, panel, number, 0)


def pack_block(
    plan: ConvPlan, source: ir.Value, target: ir.Value, panel: g.Index, number: g.Index, panel_at: g.Index
) -> None:
    """Pack block `number` of channels of a panel, which starts at `panel_at` of `target`.

    A block is contiguous in both, so that what is read and written stays near. Lanes of a group's last panel past its
    filters hold copies of the last filter: they are computed and not stored.
    """
    window, lanes = plan.window, plan.lanes
    block = plan.channel_block * window.taps
    group = g.div(panel, plan.group_panels)
    filter_ = g.mul(g.rem(panel, plan.group_panels), plan.width)
    from_ = g.mul(number, block)
    to = g.add(panel_at, g.mul(from_, plan.width))
    used = min(block, lanes)
    with g.loop(0, plan.width, lanes) as j:
        rows = []
        for i in range(lanes):
            o = g.minimum(g.add(g.add(filter_, j), i), plan.filters - 1)
            rows.append(g.add(g.mul(g.add(o, g.mul(group, plan.filters)), plan.steps), from_))
        with g.loop(0, block, lanes) as k:
            # the last vectors overlap those before rather than being shorter
            k = g.minimum(k, block - lanes) if block > lanes else k
            square = [to_accumulator(g.load(source, g.add(row, k), lanes, used), window) for row in rows]
            for i, column in enumerate(transpose(square, lanes)[:used]):
                step = g.add(k, i)
                at = g.add(g.mul(g.rem(step, window.taps), plan.channel_block), g.div(step, window.taps))
                g.store(column, target, g.add(g.add(to, j), g.mul(at, plan.width)))


def pack_ns(plan: ConvPlan) -> int:
    return plan.panels * plan.width * plan.steps // 4 + 50
