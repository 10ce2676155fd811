"""What is known of a loop between tries to trace it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from .errors import Unsupported
from .journal import Place
from .region import Known
from .values import Spec


class Unstable(Unsupported):
    """A value has another type after the first step: if that step is taken out of the loop, the rest may be stable."""


@dataclass(eq=False)
class Growth:
    """A list that each step appends to: the specs of the items; with `whole` the items before the loop lie in the buffer too."""

    items: tuple[Spec, ...]
    whole: bool = False


@dataclass(eq=False)
class Plan:
    """What is known of a loop, more with each try.

    Attributes:
        carried: places and the specs of their values.
        steps: ints that grow by a constant each step.
        lists: lists that grow.
        known: of its region; the tensors from outside that the body writes to.
        exits: the kinds of flow by which the loop may be left early.
        starts: the types that initial values are converted to, since steps give them.
        shared: carried places whose values are or hold containers to which something else refers too (see containers.py).
    """

    carried: dict[Place, Spec] = field(default_factory=dict)
    steps: dict[Place, int] = field(default_factory=dict)
    lists: dict[Place, Growth] = field(default_factory=dict)
    known: Known | None = None
    exits: frozenset[str] = frozenset()
    starts: dict[Place, Spec] = field(default_factory=dict)
    not_steps: set[Place] = field(default_factory=set)
    shared: set[Place] = field(default_factory=set)

    @property
    def written(self) -> list[torch.Tensor]:
        return [] if self.known is None else self.known.written
