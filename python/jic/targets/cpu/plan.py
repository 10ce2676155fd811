"""Memory planning: byte ranges of one workspace for buffers that live over ranges of steps."""

from __future__ import annotations

from dataclasses import dataclass

ALIGNMENT = 64


@dataclass
class Range:
    """`size` bytes needed from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int
    offset: int = -1


def align(size: int) -> int:
    return -(-max(1, size) // ALIGNMENT) * ALIGNMENT


def assign(ranges: list[Range]) -> int:
    """Give every range an offset such that no two that are alive together overlap; returns the workspace's size.

    Biggest first, each at the lowest gap that fits (the greedy-by-size strategy of Pisarchyk and Lee, 2020).
    """
    placed: list[Range] = []
    top = 0
    for item in sorted(ranges, key=lambda r: (-r.size, r.first)):
        size = align(item.size)
        at = 0
        for other in sorted(
            (p for p in placed if p.first <= item.last and item.first <= p.last), key=lambda p: p.offset
        ):
            if at + size <= other.offset:
                break
            at = max(at, other.offset + align(other.size))
        item.offset = at
        placed.append(item)
        top = max(top, at + size)
    return top
