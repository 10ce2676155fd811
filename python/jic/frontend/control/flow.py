"""Where control goes after a statement: on, or out by break, continue, return or raise; perhaps known at run time only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .scalar import Scalar

CODES = {"next": 0, "break": 1, "continue": 2, "return": 3, "raise": 4}


@dataclass(frozen=True, eq=False)
class Flow:
    """`code` is one of `CODES`, as an int, or a Scalar that has one of the values of `kinds`."""

    code: int | Scalar
    kinds: frozenset[str]

    @staticmethod
    def of(kind: str) -> Flow:
        return Flow(CODES[kind], frozenset({kind}))

    @property
    def certain(self) -> bool:
        return not isinstance(self.code, Scalar)

    @property
    def goes_on(self) -> bool:
        return "next" in self.kinds

    def without(self, *kinds: str) -> Flow:
        """The flow after what handles `kinds`: they become `next`."""
        if not self.kinds & set(kinds):
            return self
        left = (self.kinds - set(kinds)) | {"next"}
        if left == {"next"}:
            return NEXT
        if isinstance(self.code, int):
            return NEXT
        kept = self.code.tensor
        for kind in kinds:
            if kind in self.kinds:
                kept = kept * (self.code.tensor != CODES[kind])
        return Flow(Scalar(int, kept, (0, 4)), left)


NEXT = Flow.of("next")


def joined(a: Flow, b: Flow, code: Any) -> Flow:
    """The flow after a branch that went like `a` or like `b`; `code` is the merged code."""
    if isinstance(code, Scalar):
        code.interval = (0, 4)
    return Flow(code, a.kinds | b.kinds)
