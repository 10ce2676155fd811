"""The variables of an interpreted function."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

from ..guards import ABSENT
from .context import Context
from .journal import UNDEFINED, Place


class Frame:
    """One call of a function, or a comprehension inside one (`outer`).

    Attributes:
        variables: those of its own; variables that inner functions use lie in `cells`.
        line: the line being interpreted.
    """

    def __init__(self, context: Context, function: types.FunctionType, outer: Frame | None = None) -> None:
        self.context, self.function, self.outer = context, function, outer
        self.code = function.__code__
        self.variables: dict[str, Any] = {}
        self.cells: dict[str, types.CellType] = {}
        self.line = self.code.co_firstlineno
        context.created(self)
        if outer is None:
            free = zip(self.code.co_freevars, function.__closure__ or (), strict=True)
            self.cells = {name: context.created(types.CellType()) for name in self.code.co_cellvars} | dict(free)
            self._locals = frozenset((*self.code.co_varnames, *self.code.co_cellvars))

    @property
    def class_name(self) -> str:
        """The class that the function is a method of, without leading underscores; '' if none."""
        parts = self.code.co_qualname.split(".")
        return parts[-2].lstrip("_") if len(parts) > 1 and parts[-2] != "<locals>" else ""

    @property
    def location(self) -> str:
        return f"{self.code.co_filename}:{self.line}"

    def inner(self, captured: Iterable[str]) -> Frame:
        """A frame for a comprehension: its targets are its own, everything else is this frame's.

        Args:
            captured: those of its targets that functions inside it use.
        """
        found = Frame(self.context, self.function, self)
        found.line = self.line
        found.cells = {name: self.context.created(types.CellType()) for name in captured}
        return found

    def cell(self, name: str) -> types.CellType | None:
        """The cell of the variable `name`, as a function inside this frame sees it; None if there is none."""
        if name in self.cells:
            return self.cells[name]
        return self.outer.cell(name) if self.outer is not None else None

    def is_local(self, name: str) -> bool:
        if self.outer is not None:
            return name in self.variables or name in self.cells or self.outer.is_local(name)
        return name in self._locals

    def load(self, name: str) -> Any:
        """The value of a name, or UNDEFINED."""
        if name in self.variables:
            return self.variables[name]
        if self.outer is not None and name not in self.cells:
            return self.outer.load(name)
        if name in self.cells:
            if (number := self.context.outer.cell(self.cells[name])) is not None:
                return number
            return Place("cell", self.cells[name]).read()
        if name in self._locals:
            return UNDEFINED
        value = self.context.outer.global_variable(self.function.__globals__, name)
        return UNDEFINED if value is ABSENT else value

    def place(self, name: str) -> Place:
        """Where an assignment to `name` goes."""
        if name in self.cells:
            return Place("cell", self.cells[name])
        if self.outer is not None:
            return Place("var", self, name)
        if name not in self._locals and not name.startswith("<"):
            return Place("global", self.function.__globals__, name)
        return Place("var", self, name)

    def store(self, name: str, value: Any) -> None:
        place = self.place(name)
        if place.kind != "var" and not self.context.is_created(place.owner):
            which = "the global variable" if place.kind == "global" else "the variable"
            self.context.check_effect(f"{which} {name}, which outlives the call, is assigned", in_regions=True)
        self.context.journal.write(place, value)
