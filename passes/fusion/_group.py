"""One kernel in the making: which nodes it holds, in which role, and which may join it.

A group grows from a seed. A node joins as

* `FULL`: computed once at every point of the iteration space;
* `REDUCED`: computed once at every point of the reduced space (results of reductions and what follows them);
* `TREE`: only read by nodes of this group, through views, so computed where it is read;
* `WRITE`: a `dynamic_update` whose `update` is computed at every point of the iteration space, and stored;

or it is copied: a *clone* stays outside as well, for other readers, and dies if all of them copied it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ._graph import Shape
from ._ops import CHEAP, INDEXING, POINTWISE

FULL, REDUCED, TREE, WRITE = "full", "reduced", "tree", "write"
UNLIMITED = 1 << 30


@dataclass(frozen=True)
class Policy:
    """What a kind of kernel takes in.

    Attributes:
        max_size: the most elementwise, reduce, contraction and window ops in one kernel.
        side: ops that may compute the other operands of elementwise ops.
        prologue: ops that may compute the operands of the seed (a matmul, a conv, a concat).
        prologue_size: the most elementwise ops in the prologue.
        producers: elementwise ops at the iteration shape may join because a member reads them.
        consumers: ops may join because they read a member.
        recompute: expensive ops may be computed again for every repetition of a broadcast.
        within: only these nodes may join.
    """

    max_size: int
    side: frozenset[str] = frozenset()
    prologue: frozenset[str] = frozenset()
    prologue_size: int = UNLIMITED
    producers: bool = False
    consumers: bool = True
    recompute: bool = False
    within: frozenset[int] | None = None


SIDE_VIEWS = frozenset({"constant", "broadcast", "transpose", "reshape", "dynamic_slice"})


def pointwise_policy(max_size: int, recompute: bool = False) -> Policy:
    return Policy(max_size, side=POINTWISE | INDEXING, prologue=POINTWISE, producers=True, recompute=recompute)


def reduction_policy(max_size: int, recompute: bool = False) -> Policy:
    return Policy(max_size, side=POINTWISE, producers=True, recompute=recompute)


def update_policy(max_size: int) -> Policy:
    return Policy(max_size, side=POINTWISE, producers=True)


def contraction_policy(max_size: int, prologue_size: int = 2) -> Policy:
    prologue = CHEAP | {"constant", "broadcast", "reshape", "dynamic_slice"}
    return Policy(max_size, side=SIDE_VIEWS, prologue=prologue, prologue_size=prologue_size)


def window_policy(max_size: int) -> Policy:
    return Policy(max_size, side=SIDE_VIEWS, prologue=frozenset({"pad"}))


def concat_policy(max_size: int) -> Policy:
    return Policy(max_size, prologue=POINTWISE, consumers=False)


def scan_policy(max_size: int) -> Policy:
    return Policy(max_size, side=POINTWISE, prologue=POINTWISE)


@dataclass
class Group:
    """Nodes that become one `jic.fused`. `full` and `reduced` are the shapes of its two spaces."""

    kind: str
    seed: int
    full: Shape
    reduced: Shape | None = None
    dims: tuple[int, ...] = ()
    roles: dict[int, str] = field(default_factory=dict)
    clones: set[int] = field(default_factory=set)
    targets: dict[int, set[Shape]] = field(default_factory=dict)
    """The shapes that trees and clones are computed in."""
    repeated: set[int] = field(default_factory=set)
    """Trees and clones that a broadcast reads more than once an element."""
    prologue: set[int] = field(default_factory=set)
    written: set[int] = field(default_factory=set)
    """The tensors that updates of the group write to: nothing else in the group may read them."""
    members: int = 0
    above: int = 0
    below: int = 0
    size: int = 0
    prologue_size: int = 0
    constants: int = 0

    @property
    def kept(self) -> tuple[int, ...]:
        """The dims of the iteration space that a reduction keeps."""
        return tuple(d for d in range(len(self.full)) if d not in self.dims)

    def space(self, role: str) -> Shape:
        return self.reduced if role == REDUCED else self.full  # type: ignore[return-value]
