"""Loops, `while` and `if` to flat steps with jumps.

    jic.loop(%n, %h0) {                  copy h0 → A                 # none if h0 can be computed into A
    ^bb0(%i, %h):                        set i, -1
      %g = jic.fused(%h, %i) …     →     count i, n → 1; jump 3
      jic.yield(%g)                   1: launch A, i → B             # the body, with the carried value in A …
                                         count i, n → 2
                                         copy B → result; jump 4
                                      2: launch B, i → A             # … and again, with the buffers exchanged
                                         count i, n → 1
                                      3: copy A → result             # none if the result can lie in A
                                      4:

A carried value whose next value can be computed in its own place (an update of a slice) needs no second buffer; if all are like
that, the body is there once. What cannot be exchanged is copied at the end of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch_mlir import ir

from ..kernel.region import source_line
from ..program.sharing import Node, static_count
from ..program.steps import Label, Slot, Step

if TYPE_CHECKING:
    from .lower import Lowering

# How often a loop runs whose trip count is not known; it decides about threads only.
USUAL_TRIPS = 16

Exchanged = dict[int, int]


def lower_loop(lowering: Lowering, node: Node) -> None:
    """Lower a `jic.loop`."""
    lowering.prepare(node)
    count = static_count(node.operands[0])
    limit = lowering.slot(node.operands[0])
    carried, inits = node.arguments()[1:], node.operands[1:]
    following = node.blocks[0][-1].operands
    own = [k for k, argument in enumerate(carried) if lowering.sharing.own(argument)]
    lowering.copies([(lowering.slot(inits[k]), lowering.slot(carried[k])) for k in own])
    index = lowering.slot(node.arguments()[0])
    runs = _runs(lowering, node)
    labels, leave, end = [Label() for _ in runs], Label(), Label()
    started = count is not None and count > 0
    lowering.add(Step("set", [index], value=0 if started else -1))
    trips = USUAL_TRIPS if count is None else count
    if not started:
        lowering.add(_count(index, limit, labels[0]))
        lowering.add(Step("jump", [], to=leave))
    for turn, run in enumerate(runs):
        then = runs[(turn + 1) % len(runs)]
        lowering.here(labels[turn])
        with lowering.repeated(max(1, trips // len(runs))):
            with _exchanged(lowering, run):
                lowering.block(node.blocks[0])
            moves = [(_slot(lowering, following[k], run), _slot(lowering, carried[k], then)) for k in own]
            lowering.copies(moves)
            lowering.add(_count(index, limit, labels[(turn + 1) % len(runs)]))
        last = turn == len(runs) - 1
        if last:
            lowering.here(leave)
        pairs = [(a, r) for a, r in zip(carried, node.results, strict=True) if lowering.sharing.own(r)]
        lowering.copies([(_slot(lowering, a, then), lowering.slot(r)) for a, r in pairs])
        if not last:
            lowering.add(Step("jump", [], to=end))
    lowering.here(end)


def lower_while(lowering: Lowering, node: Node) -> None:
    """Lower a `jic.while`: the condition, then the body, then the condition again."""
    lowering.prepare(node)
    carried = node.arguments()
    following = node.blocks[1][-1].operands
    condition, *forwarded = node.blocks[0][-1].operands
    own = [k for k, argument in enumerate(carried) if lowering.sharing.own(argument)]
    lowering.copies([(lowering.slot(node.operands[k]), lowering.slot(carried[k])) for k in own])
    runs = _runs(lowering, node)
    labels, leave, end = [Label() for _ in runs], [Label() for _ in runs], Label()
    handed_on: list[list[Slot]] = []
    for turn, run in enumerate(runs):
        following_turn = (turn + 1) % len(runs)
        lowering.here(labels[turn])
        with lowering.repeated(max(1, USUAL_TRIPS // len(runs))):
            with _exchanged(lowering, run):
                lowering.block(node.blocks[0])
                handed_on.append([lowering.slot(v) for v in forwarded])  # an ATen result has another slot in each copy
                lowering.add(Step("branch", [lowering.slot(condition)], inputs=1, to=leave[turn]))
                lowering.block(node.blocks[1])
            moves = [
                (_slot(lowering, following[k], run), _slot(lowering, carried[k], runs[following_turn])) for k in own
            ]
            lowering.copies(moves)
            if turn == len(runs) - 1:
                lowering.add(Step("jump", [], to=labels[0]))
    for turn in range(len(runs)):
        lowering.here(leave[turn])
        pairs = [(v, r) for v, r in zip(handed_on[turn], node.results, strict=True) if lowering.sharing.own(r)]
        lowering.copies([(v, lowering.slot(r)) for v, r in pairs])
        if turn < len(runs) - 1:
            lowering.add(Step("jump", [], to=end))
    lowering.here(end)


def lower_if(lowering: Lowering, node: Node) -> None:
    """Lower a `jic.if`; each branch puts its values where the results lie."""
    otherwise, end = Label(), Label()
    lowering.add(Step("branch", [lowering.slot(node.operands[0])], inputs=1, to=otherwise))
    results = [k for k, result in enumerate(node.results) if lowering.sharing.own(result)]
    for number, block in enumerate(node.blocks):
        lowering.block(block)
        values = block[-1].operands
        lowering.copies([(lowering.slot(values[k]), lowering.slot(node.results[k])) for k in results])
        if number == 0:
            jump = len(lowering.program.steps)
            lowering.add(Step("jump", [], to=end))
            lowering.here(otherwise)
    lowering.here(end)
    if end.step == jump + 1:  # nothing to jump over
        lowering.program.steps.pop()
        otherwise.step = end.step = jump


def lower_bail(lowering: Lowering, node: Node) -> None:
    """Lower a `jic.bail`."""
    message = ir.StringAttr(node.op.attributes["message"]).value
    condition = lowering.slot(node.operands[0])
    lowering.add(Step("bail", [condition], name=message, location=source_line(node.op), inputs=1))


LOWERINGS: dict[str, Callable[[Lowering, Node], None]] = {
    "jic.loop": lower_loop,
    "jic.while": lower_while,
    "jic.if": lower_if,
    "jic.bail": lower_bail,
}


def _count(index: Slot, limit: Slot, label: Label) -> Step:
    return Step("count", [index, limit, index], inputs=2, to=label)


def _runs(lowering: Lowering, node: Node) -> list[Exchanged]:
    """Where buffers lie in each copy of a loop's body: as outside, and with those of carried and next values exchanged."""
    outside = lowering.exchanged
    pairs = lowering.sharing.exchanges(node)
    if not pairs:
        return [outside]
    inside = dict(outside)
    for a, b in pairs:
        inside[a], inside[b] = outside.get(b, b), outside.get(a, a)
    return [outside, inside]


@contextmanager
def _exchanged(lowering: Lowering, run: Exchanged) -> Iterator[None]:
    before, lowering.exchanged = lowering.exchanged, run
    yield
    lowering.exchanged = before


def _slot(lowering: Lowering, value: ir.Value, run: Exchanged) -> Slot:
    with _exchanged(lowering, run):
        return lowering.slot(value)
