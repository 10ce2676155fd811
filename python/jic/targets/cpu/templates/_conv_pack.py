"""Packing the filter of a convolution into the order in which its kernel reads it."""

from __future__ import annotations

from ..kernel import KernelModule
from . import _gemm_ops as g
from ._conv_plan import Plan
from ._window_patch import to_accumulator
from ._window_transpose import transpose


def pack_filter(module: KernelModule, name: str, plan: Plan) -> int:
    """Kernel `name`: filter `[O, I, *window]` to panels `[panel][channel block][tap][channel][width]` in the accumulator's
    element. Returns the number of tasks.

    A block of channels is contiguous in both, so that what a task reads and writes stays in L1. Lanes of a group's last
    panel past its filters hold copies of the last filter: they are computed and not stored.
    """
    window, lanes, steps = plan.window, plan.lanes, plan.steps
    block = plan.channel_block * window.taps
    blocks = steps // block if block else 0
    sizes = [(window.target_channels * steps, window.element), (plan.panels * steps * plan.width, window.accumulator)]
    with module.function(name, sizes) as kernel:
        source, target = kernel.buffers
        with g.loop(kernel.begin, kernel.end) as task:
            panel, number = g.div(task, max(1, blocks)), g.rem(task, max(1, blocks))
            group = g.div(panel, plan.group_panels)
            filter_ = g.mul(g.rem(panel, plan.group_panels), plan.width)
            from_ = g.mul(number, block)
            to = g.add(g.mul(panel, steps * plan.width), g.mul(from_, plan.width))
            rows = []
            for i in range(plan.width):
                o = g.minimum(g.add(filter_, i), plan.filters - 1)
                rows.append(g.add(g.mul(g.add(o, g.mul(group, plan.filters)), steps), from_))
            used = min(block, lanes)
            with g.loop(0, block, lanes) as k:
                # the last vectors overlap those before rather than being shorter
                k = g.minimum(k, block - lanes) if block > lanes else k
                places = []
                for i in range(used):
                    step = g.add(k, i)
                    at = g.add(g.mul(g.rem(step, window.taps), plan.channel_block), g.div(step, window.taps))
                    places.append(g.add(to, g.mul(at, plan.width)))
                for j in range(0, plan.width, lanes):
                    square = [g.load(source, g.add(row, k), lanes, used) for row in rows[j : j + lanes]]
                    columns = transpose([to_accumulator(v, window) for v in square], lanes)
                    for place, column in zip(places, columns, strict=False):
                        g.store(column, target, g.add(place, j))
    return plan.panels * blocks


def pack_ns(plan: Plan) -> int:
    return plan.panels * plan.width * plan.steps // 5 + 50
