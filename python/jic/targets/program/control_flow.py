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

from torch_mlir import ir

from ..kernel.region import source_line
from .assembly import Assembly
from .sharing import OpNode, static_count
from .steps import Label, Slot, Step

# How often a loop runs whose trip count is not known; it decides about threads only.
USUAL_TRIPS = 16

Exchanged = dict[int, int]
Block = Callable[[list[OpNode]], None]  # lowers the ops of a block


def lower_loop(assembly: Assembly, node: OpNode, block: Block) -> None:
    """Lower a `jic.loop`."""
    assembly.prepare(node)
    count = static_count(node.operands[0])
    limit = assembly.slot(node.operands[0])
    carried, inits = node.arguments()[1:], node.operands[1:]
    following = node.blocks[0][-1].operands
    own = [k for k, argument in enumerate(carried) if assembly.sharing.own(argument)]
    assembly.copies([(assembly.slot(inits[k]), assembly.slot(carried[k])) for k in own])
    index = assembly.slot(node.arguments()[0])
    runs = _runs(assembly, node)
    labels, leave, end = [Label() for _ in runs], Label(), Label()
    started = count is not None and count > 0
    assembly.add(Step("set", [index], value=0 if started else -1))
    trips = USUAL_TRIPS if count is None else count
    if not started:
        assembly.add(_count(index, limit, labels[0]))
        assembly.add(Step("jump", [], to=leave))
    for turn, run in enumerate(runs):
        then = runs[(turn + 1) % len(runs)]
        assembly.here(labels[turn])
        with assembly.repeated(max(1, trips // len(runs))):
            with _exchanged(assembly, run):
                block(node.blocks[0])
            moves = [(_slot(assembly, following[k], run), _slot(assembly, carried[k], then)) for k in own]
            assembly.copies(moves)
            assembly.add(_count(index, limit, labels[(turn + 1) % len(runs)]))
        last = turn == len(runs) - 1
        if last:
            assembly.here(leave)
        pairs = [(a, r) for a, r in zip(carried, node.results, strict=True) if assembly.sharing.own(r)]
        assembly.copies([(_slot(assembly, a, then), assembly.slot(r)) for a, r in pairs])
        if not last:
            assembly.add(Step("jump", [], to=end))
    assembly.here(end)


def lower_while(assembly: Assembly, node: OpNode, block: Block) -> None:
    """Lower a `jic.while`: the condition, then the body, then the condition again."""
    assembly.prepare(node)
    carried = node.arguments()
    following = node.blocks[1][-1].operands
    condition, *forwarded = node.blocks[0][-1].operands
    own = [k for k, argument in enumerate(carried) if assembly.sharing.own(argument)]
    assembly.copies([(assembly.slot(node.operands[k]), assembly.slot(carried[k])) for k in own])
    runs = _runs(assembly, node)
    labels, leave, end = [Label() for _ in runs], [Label() for _ in runs], Label()
    handed_on: list[list[Slot]] = []
    for turn, run in enumerate(runs):
        following_turn = (turn + 1) % len(runs)
        assembly.here(labels[turn])
        with assembly.repeated(max(1, USUAL_TRIPS // len(runs))):
            with _exchanged(assembly, run):
                block(node.blocks[0])
                handed_on.append([assembly.slot(v) for v in forwarded])  # an ATen result has another slot in each copy
                assembly.add(Step("branch", [assembly.slot(condition)], inputs=1, to=leave[turn]))
                block(node.blocks[1])
            moves = [
                (_slot(assembly, following[k], run), _slot(assembly, carried[k], runs[following_turn])) for k in own
            ]
            assembly.copies(moves)
            if turn == len(runs) - 1:
                assembly.add(Step("jump", [], to=labels[0]))
    for turn in range(len(runs)):
        assembly.here(leave[turn])
        pairs = [(v, r) for v, r in zip(handed_on[turn], node.results, strict=True) if assembly.sharing.own(r)]
        assembly.copies([(v, assembly.slot(r)) for v, r in pairs])
        if turn < len(runs) - 1:
            assembly.add(Step("jump", [], to=end))
    assembly.here(end)


def lower_if(assembly: Assembly, node: OpNode, block: Block) -> None:
    """Lower a `jic.if`; each branch puts its values where the results lie."""
    otherwise, end = Label(), Label()
    assembly.add(Step("branch", [assembly.slot(node.operands[0])], inputs=1, to=otherwise))
    results = [k for k, result in enumerate(node.results) if assembly.sharing.own(result)]
    for number, branch in enumerate(node.blocks):
        block(branch)
        values = branch[-1].operands
        assembly.copies([(assembly.slot(values[k]), assembly.slot(node.results[k])) for k in results])
        if number == 0:
            jump = len(assembly.program.steps)
            assembly.add(Step("jump", [], to=end))
            assembly.here(otherwise)
    assembly.here(end)
    if end.step == jump + 1:  # nothing to jump over
        assembly.program.steps.pop()
        otherwise.step = end.step = jump


def lower_bail(assembly: Assembly, node: OpNode, block: Block) -> None:
    """Lower a `jic.bail`."""
    message = ir.StringAttr(node.op.attributes["message"]).value
    condition = assembly.slot(node.operands[0])
    assembly.add(Step("bail", [condition], name=message, location=source_line(node.op), inputs=1))


LOWERINGS: dict[str, Callable[[Assembly, OpNode, Block], None]] = {
    "jic.loop": lower_loop,
    "jic.while": lower_while,
    "jic.if": lower_if,
    "jic.bail": lower_bail,
}


def _count(index: Slot, limit: Slot, label: Label) -> Step:
    return Step("count", [index, limit, index], inputs=2, to=label)


def _runs(assembly: Assembly, node: OpNode) -> list[Exchanged]:
    """Where buffers lie in each copy of a loop's body: as outside, and with those of carried and next values exchanged."""
    outside = assembly.exchanged
    pairs = assembly.sharing.exchanges(node)
    if not pairs:
        return [outside]
    inside = dict(outside)
    for a, b in pairs:
        inside[a], inside[b] = outside.get(b, b), outside.get(a, a)
    return [outside, inside]


@contextmanager
def _exchanged(assembly: Assembly, run: Exchanged) -> Iterator[None]:
    before, assembly.exchanged = assembly.exchanged, run
    yield
    assembly.exchanged = before


def _slot(assembly: Assembly, value: ir.Value, run: Exchanged) -> Slot:
    with _exchanged(assembly, run):
        return assembly.slot(value)
