"""What the values of a recurrence's step depend on, and what follows for where they must be, whatever the machine."""

from __future__ import annotations

from dataclasses import dataclass

from jic.errors import LoweringError

from ..index import identity, reshape_operand
from .body import Body

# Ops whose results are made as a whole, apart from what reads them.
MADE_APART = ("matmul", "reduce", "concat")


@dataclass(frozen=True)
class Steps:
    """A recurrence and what is known of its step.

    Attributes:
        live: the nodes that the next carried values are computed from.
        uniform: scalars that depend on kernel arguments, the step's number and such scalars only.
        stacks: for each carried value that is only updated in place its `dynamic_update`s, first one first.
        kept: what must be in memory before others read it.
    """

    body: Body
    live: frozenset[int]
    uniform: frozenset[int]
    stacks: dict[int, list[int]]
    kept: frozenset[int]

    @staticmethod
    def of(body: Body) -> Steps:
        live = _live(body)
        kept = {n for n in live if body.node(n).op in MADE_APART}
        kept |= {k for n in sorted(live) for k in _merged(body, n)}
        return Steps(body, live, _uniform(body), _stacks(body), frozenset(kept))

    def __str__(self) -> str:
        body = self.body
        trip = body.node(body.trip)
        steps = str(trip.attributes["value"]) if trip.op == "constant" else f"argument {body.trip}"
        lines = [f"recurrence of {steps} steps over {body.rows} rows"]
        for k, number in enumerate(body.carried):
            node = body.node(number)
            what = "updated in place" if number in self.stacks else "a scalar" if number in self.uniform else "a state"
            rows = f", rows along dim {body.dims[number]}" if number in body.dims else ""
            shape = "x".join(map(str, (*node.shape, node.element)))
            lines.append(f"  carries {k}: {shape}, {what}{rows}")
        apart = [body.node(n).op for n in sorted(self.kept) if body.node(n).op in MADE_APART]
        lines += [f"  made apart: {', '.join(apart)}"] if apart else []
        return "\n".join(lines)


def _live(body: Body) -> frozenset[int]:
    found: set[int] = set()
    work = list(body.region.outputs)
    while work:
        number = work.pop()
        if number not in found:
            found.add(number)
            work += body.node(number).operands
    return frozenset(found)


def _uniform(body: Body) -> frozenset[int]:
    nodes = body.region.nodes
    carried = {n for n in body.carried if not nodes[n].shape}
    while True:
        known: set[int] = {body.index, *carried, *range(body.arguments)}
        for number in range(body.region.arguments, len(nodes)):
            node = nodes[number]
            if node.op not in MADE_APART and node.op != "dynamic_update" and all(k in known for k in node.operands):
                known.add(number)
        next_ = {n for n in carried if body.region.outputs[n - body.carried[0]] in known}
        if next_ == carried:
            return frozenset(n for n in known if not nodes[n].shape)
        carried = next_


def _stacks(body: Body) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for argument, number in zip(body.carried, body.region.outputs, strict=True):
        chain = []
        while number != argument and body.node(number).op == "dynamic_update":
            chain.append(number)
            number = body.node(number).operands[0]
        if number == argument and chain:
            found[argument] = chain[::-1]
    return found


def _merged(body: Body, number: int) -> list[int]:
    """The operand of a reshape that merges dims: where it is not in memory, it must be put there."""
    nodes = body.region.nodes
    if nodes[number].op != "reshape":
        return []
    (source,) = nodes[number].operands
    root = source
    while nodes[root].op == "reshape":
        (root,) = nodes[root].operands
    apart = root < body.region.arguments or nodes[root].op in MADE_APART
    return [] if apart or _splits(nodes[source].shape, nodes[number].shape) else [source]


def _splits(source: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether a reshape only splits dims, or adds and drops dims of size 1, so that indices into its operand are linear."""
    try:
        reshape_operand(source, result, identity(len(result)))
    except LoweringError:
        return False
    return True
