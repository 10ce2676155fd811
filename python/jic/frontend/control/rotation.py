"""Tensors that change places in a loop, and are written to in place: the two buffers of a stencil.

    for _ in range(n):                  u', v' = loop n (u, v) { v, f(u, v) }
        u[1:-1] = f(v)             →    the tensors that u and v are after n steps get these elements,
        u, v = v, u                     and are u and v from here on

The steps hand on values. Which tensor a variable is after them follows from their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch.fx import Node

from .context import Context
from .region import storage_of


def rotation_of(
    entered: Sequence[torch.Tensor], following: Sequence[torch.Tensor], changed: set[int], steps: int
) -> dict[int, int]:
    """For each carried value that is exchanged with others, the number of the one whose first tensor it is after `steps` steps.

    Args:
        entered: the carried values in a step.
        following: what they are after it.
        changed: the memory that a step writes to.
    """
    number = {id(tensor): i for i, tensor in enumerate(entered)}
    source = {i: number[id(tensor)] for i, tensor in enumerate(following) if id(tensor) in number}
    found: dict[int, int] = {}
    for i, tensor in enumerate(entered):
        if i in found or storage_of(tensor) not in changed:
            continue
        cycle = [i]
        while (before := source.get(cycle[-1])) is not None and before != i and len(cycle) <= len(entered):
            cycle.append(before)
        if before != i:
            continue
        for position, member in enumerate(cycle):
            found[member] = cycle[(position + steps) % len(cycle)]
    own = {storage_of(entered[i]) for i in found}
    if any(storage_of(t) in own for i, t in enumerate(following) if i not in found):
        return {}  # a view of one of them is carried too
    return found


def are_apart(context: Context, tensors: Sequence[torch.Tensor], body: Iterable[Node]) -> bool:
    """Whether `tensors` from outside a loop are different ones, and its body (its nodes) sees them as carried values only."""
    memory = [context.memory(t) for t in tensors]
    if len(set(memory)) < len(memory) or any(not context.identities.related(m).isdisjoint(memory) for m in memory):
        return False
    hidden = {*memory, *(m for t in memory for m in context.identities.related(t))}
    hidden |= {context.memory(context.swapped(t)) for t in tensors}
    inside: set[Node] = set()
    for node in body:
        inside.add(node)
        for source in node.all_input_nodes:
            if source not in inside and any(context.memory(t) in hidden for t in _tensors(source)):
                return False
    return True


def _tensors(node: Node) -> list[torch.Tensor]:
    value = node.meta.get("val")
    values = value if isinstance(value, (list, tuple)) else [value]
    return [v for v in values if isinstance(v, torch.Tensor)]
