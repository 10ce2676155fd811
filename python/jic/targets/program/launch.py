"""What a template gives back: the launches of a lowered kernel, and the buffers that they take."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..kernel.buffers import Buffer


@dataclass(frozen=True)
class Launch:
    """One call of a kernel function (see "Kernel ABI" in docs/architecture.md). The first `inputs` buffers are read.

    `tasks` are independent of each other: a CPU divides them among threads, a GPU has a block of `threads` threads for each.
    `cost` is the estimated time of all tasks on one core in ns, `scratch` bytes a thread.
    """

    kernel: str
    buffers: tuple[Buffer, ...]
    inputs: int
    tasks: int
    cost: int
    scratch: int = 0
    threads: int = 0


@dataclass
class Lowered:
    """A lowered `jic.fused`: launches in order and the sizes in bytes of the temporaries between them.

    `status` tells that the last buffer of every launch is the i64[1] status buffer that index checks write to.
    `updates` are (result, argument) pairs: the result's buffer must hold the argument's elements before the first launch,
    be it that it is the argument's own memory; the launches write only a part of it.
    """

    launches: list[Launch] = field(default_factory=list)
    temporaries: list[int] = field(default_factory=list)
    status: bool = False
    updates: tuple[tuple[int, int], ...] = ()
