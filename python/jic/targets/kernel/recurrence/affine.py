"""Indices of a recurrence as functions of the step's number."""

from __future__ import annotations

from collections.abc import Sequence

from .body import Body


def affine(body: Body, number: int) -> tuple[int, int] | None:
    """(a, c) if node `number` is `a * step + c`, else None."""
    node = body.node(number)
    if number == body.index:
        return 1, 0
    if node.op == "constant" and isinstance(node.attributes["value"], int):
        return 0, node.attributes["value"]
    if node.op not in ("add", "sub", "neg", "mul") or node.element != "i64":
        return None
    parts = [affine(body, k) for k in node.operands]
    if None in parts:
        return None
    if node.op == "neg":
        ((a, c),) = parts  # type: ignore[misc]
        return -a, -c
    (a, c), (b, d) = parts  # type: ignore[misc]
    if node.op == "mul":
        if a and b:
            return None
        return (a * d, c * d) if a else (b * c, d * c)
    return (a + b, c + d) if node.op == "add" else (a - b, c - d)


def covers(body: Body, chain: Sequence[int]) -> bool:
    """Whether the `dynamic_update`s of `chain` write all of a buffer, one slice a step: its first value is not read."""
    trip = body.node(body.trip)
    if len(chain) != 1 or trip.op != "constant":
        return False
    update = body.node(chain[0])
    dim = update.attributes["dim"]
    extent, steps = update.shape[dim], trip.attributes["value"]
    if body.node(update.operands[1]).shape[dim] != 1:
        return False
    found = affine(body, update.operands[2])
    if found is None:
        return False
    a, c = found
    first, last = c, c + a * (steps - 1)
    return abs(a) == 1 and steps >= 1 and min(first, last) <= 0 and max(first, last) >= extent - 1
