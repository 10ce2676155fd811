"""Contraction kernels: one `jic.matmul`, functions of arguments as its operands, elementwise ops on its result.

The product is blocked for registers and caches (`blocking.py`), operands are packed or read in place, and the
epilogue runs on each register block before it is stored. A task is a block of rows by a group of column panels, of one
matrix of the batch.
"""

from __future__ import annotations

from math import prod

from ....kernel import product
from ....kernel.buffers import Buffer
from ....kernel.cost import moved_bytes
from ....kernel.elements import ELEMENT_BYTES
from ....kernel.region import Region
from ....program.launch import Launch, Lowered
from ...functions import CpuFunctions
from ...kernel import KernelModule
from ...machine import Machine
from . import blocking
from .emit import Emitter, scratch_layout

# Elementwise ops of about one instruction.
CHEAP = frozenset(
    (
        "add",
        "sub",
        "mul",
        "maximum",
        "minimum",
        "relu",
        "neg",
        "abs",
        "convert",
        "compare",
        "select",
        "and",
        "or",
        "xor",
    )
    + ("not", "constant")
)
_CHEAP_LIMIT = 3


def lower(region: Region, name: str, module: KernelModule, machine: Machine) -> Lowered:
    """Build kernel `name` for a contraction region."""
    problem = product.read(region)
    outputs = [region.nodes[n] for n in region.outputs]
    if not all(prod(node.shape) for node in outputs):
        return Lowered()
    plan = choose_blocking(problem, machine)
    through_tile = plan.k_block < problem.k or epilogue_length(region, problem) > _CHEAP_LIMIT
    scratch = scratch_layout(problem, plan, through_tile)
    nodes = [*region.nodes[: region.arguments], *outputs]
    with module.function(name, [(prod(n.shape), n.element) for n in nodes], scratch.size) as kernel:
        Emitter(region, problem, plan, kernel, scratch, through_tile, CpuFunctions(machine)).emit()
    buffers = [Buffer("argument", i) for i in range(region.arguments)]
    buffers += [Buffer("result", i) for i in range(len(outputs))]
    launch = Launch(
        name,
        tuple(buffers),
        region.arguments,
        tasks(problem, plan),
        cost(region, problem, plan, machine),
        scratch.size,
    )
    return Lowered([launch])


def choose_blocking(problem: product.Product, machine: Machine) -> blocking.Blocking:
    a, b = problem.a, problem.b
    in_place = a.direct and a.element == problem.accumulator and (a.along_k or a.along_outer and not _aliases(a))
    return blocking.choose(
        problem.m,
        problem.n,
        problem.k,
        problem.batches,
        problem.accumulator,
        machine,
        a_in_place=in_place,
        b_along_columns=b.direct and b.along_outer,
        b_row_stride=b.k_stride,
        dot_possible=b.direct and a.along_k and b.along_k,
        a_direct=a.direct,
    )


def _aliases(a: product.Operand) -> bool:
    """Whether A's elements for successive k fall into few cache sets: measured, strides of 2^i KiB halve the speed."""
    stride = a.k_stride * ELEMENT_BYTES[a.element]
    return stride >= 1024 and stride & (stride - 1) == 0


def tasks(problem: product.Product, plan: blocking.Blocking) -> int:
    panels = -(-problem.n // plan.columns)
    return problem.batches * -(-panels // plan.panels) * -(-problem.m // plan.row_block)


def epilogue_length(region: Region, problem: product.Product) -> int:
    """About how many instructions the epilogue takes for a vector of the result."""
    seen: set[int] = set()
    pending = list(region.outputs)
    total = 0
    while pending:
        number = pending.pop()
        if number in seen or number == problem.matmul or number < region.arguments:
            continue
        seen.add(number)
        node = region.nodes[number]
        total += 1 if node.op in CHEAP else 0 if node.op in _VIEWS else 12
        pending += node.operands
    return total


_VIEWS = frozenset(("broadcast", "transpose", "slice", "dynamic_slice", "reverse", "reshape"))


def cost(region: Region, problem: product.Product, plan: blocking.Blocking, machine: Machine) -> int:
    """Estimated ns on one core: arithmetic at 3 vector operations a ns, or memory, whichever is longer."""
    p = problem
    lanes = plan.lanes
    results = p.batches * p.m * -(-p.n // lanes)
    arithmetic = results * (p.k + epilogue_length(region, p) + 4) / 3
    if plan.mode == "packed":
        arithmetic += p.batches * p.k * p.n / lanes * 2
    moved = moved_bytes(region)
    # bytes a ns: from the caches for what they can hold, else from memory
    return int(max(arithmetic, moved / (80 if moved < machine.l3 // 2 else 12))) + 1
