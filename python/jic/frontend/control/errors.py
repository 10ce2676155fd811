"""How interpretation ends early. These are no `Exception`s: a user's `except Exception` must not catch them."""

from __future__ import annotations

import types

from ...errors import BudgetError


class Unsupported(BaseException):
    """What cannot be expressed with values that are only known at run time.

    Attributes:
        message: what was seen; hint: what the user can do; location: `file:line`.
        effect: it has an effect outside the call, which unrolling a loop does not cure either.
        outermost: the function whose call is traced, and its line that was being interpreted.
    """

    outermost: tuple[types.FunctionType, int] | None = None

    def __init__(self, message: str, *, hint: str = "", location: str = "", effect: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.location, self.effect = message, hint, location, effect


class OverBudget(BaseException):
    """Tracing takes more calls or time than it may: nothing that is left of the trace may go on."""

    def __init__(self, error: BudgetError) -> None:
        super().__init__(error.message)
        self.error = error


class Again(BaseException):
    """A region must be traced again, because more is carried through it than was known."""


class NotInterpretable(Exception):
    """A Python function is called as it is: no source, or statements that the interpreter does not take."""
