"""Which node of the graph a tensor is, while nodes come and go."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary


class Tracker(WeakTensorKeyDictionary):
    """torch's record of which node a tensor is, which can be taken back.

    A tensor becomes another node when it is written to in place, or when an op has nothing to do and returns it.
    """

    def __init__(self, tracked: Any) -> None:
        self._replaced: list[tuple[torch.Tensor, Any]] = []
        super().__init__(dict(tracked))

    def __setitem__(self, tensor: torch.Tensor, value: Any) -> None:
        if tensor in self:
            self._replaced.append((tensor, self[tensor]))
        super().__setitem__(tensor, value)

    def restore(self) -> None:
        """Tensors that are nodes which were erased are again what they were before."""
        while self._replaced and self[self._replaced[-1][0]].proxy.node._erased:
            super().__setitem__(*self._replaced.pop())
