"""Memory planning: byte ranges of one workspace for the buffers that steps read and write, jumps included.

A range is needed at a step if some way from there reads it before it is written. Two ranges may lie on the same bytes unless
one is needed, or used, where the other is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CONSTANT_ALIGNMENT = 64


@dataclass
class Range:
    """`size` bytes of the workspace; bit i of `conflicts` is set if it must not overlap range i."""

    size: int
    conflicts: int = 0
    offset: int = -1


@dataclass(frozen=True)
class Uses:
    """What a step does to ranges: sets, as bits, of those it reads and those it overwrites; and the steps that may follow."""

    reads: int
    writes: int
    followers: tuple[int, ...]


def find_conflicts(steps: Sequence[Uses], ranges: Sequence[Range]) -> None:
    """Set the conflicts of `ranges`. What is written but in part counts as read, too."""
    needed = [0] * (len(steps) + 1)  # before each step

    def after(step: Uses) -> int:
        found = 0
        for follower in step.followers:
            found |= needed[follower]
        return found

    changed = True
    while changed:  # jumps back need another walk, one a level of loops
        changed = False
        for number in range(len(steps) - 1, -1, -1):
            before = after(steps[number]) & ~steps[number].writes | steps[number].reads
            changed |= before != needed[number]
            needed[number] = before
    for step in steps:
        busy = after(step) | step.reads | step.writes
        for written in bits(step.writes):
            ranges[written].conflicts |= busy & ~(1 << written)


def bits(mask: int) -> list[int]:
    """The numbers of the bits that are set."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def align(size: int, alignment: int) -> int:
    """`size`, at least 1, rounded up to a multiple of `alignment`."""
    return -(-max(1, size) // alignment) * alignment


def assign(ranges: list[Range], alignment: int) -> int:
    """Give every range an offset such that no two in conflict overlap; returns the workspace's size.

    Biggest first, each at the lowest gap that fits (the greedy-by-size strategy of Pisarchyk and Lee, 2020).
    """
    placed: list[tuple[int, Range]] = []
    top = 0
    for number, item in sorted(enumerate(ranges), key=lambda r: -r[1].size):
        size = align(item.size, alignment)
        at = 0
        conflicting = [p for k, p in placed if item.conflicts >> k & 1 or p.conflicts >> number & 1]
        for other in sorted(conflicting, key=lambda p: p.offset):
            if at + size <= other.offset:
                break
            at = max(at, other.offset + align(other.size, alignment))
        item.offset = at
        placed.append((number, item))
        top = max(top, at + size)
    return top
