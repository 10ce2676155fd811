"""Code of the user's that runs where the interpreter cannot see it: without source, or called by torch or the standard library.

Its instructions are looked through before it runs, and what it calls is checked right before each call.
"""

from __future__ import annotations

import builtins
import contextlib
import dis
import functools
import gc
import sys
import threading
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from .. import locations
from . import objects, purity
from .errors import Unsupported

if TYPE_CHECKING:
    from .interpreter import Interpreter

_CHANGES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR",
                      "STORE_SLICE", "DELETE_DEREF", "IMPORT_NAME", "LOAD_BUILD_CLASS"})  # fmt: skip
_IN_PLACE = frozenset(str(i) for i in range(13, 26))  # BINARY_OP arguments
_METHODS = frozenset().union(
    *map(purity.changes_of, ([], {}, set())),
    ("write", "writelines", "put", "put_nowait", "send", "close", "appendleft", "popleft", "info", "debug", "warning"),
)
_GENERATED = ("__init__", "__setattr__", "__delattr__")  # of dataclasses: they fill the object that is being made


@functools.lru_cache(maxsize=2048)
def changes_in(code: types.CodeType) -> int | None:
    """A line where `code` may change something outside itself; None if it cannot."""
    line = code.co_firstlineno
    made_here = True
    for instruction in dis.get_instructions(code):
        line = (
            instruction.starts_line
            if type(instruction.starts_line) is int
            else getattr(instruction, "line_number", line) or line
        )
        name = instruction.opname
        if name in _CHANGES and not (name == "STORE_ATTR" and code.co_name == "__init__" and made_here):
            return line
        if name == "STORE_DEREF" and instruction.argval in code.co_freevars:
            return line
        if name in ("LOAD_METHOD", "LOAD_ATTR") and instruction.argval in _METHODS:
            return line
        if name in ("GET_AWAITABLE", "GET_AITER"):
            return line
    return None


def check(interpreter: Interpreter, function: types.FunctionType) -> None:
    """Raises Unsupported where `function`, whose source is not known, may have an effect."""
    _check_code(function.__code__, function.__globals__, set())


def _check_code(code: types.CodeType, variables: dict[str, Any], seen: set[int]) -> None:
    if id(code) in seen:
        return
    seen.add(id(code))
    line = changes_in(code)
    if line is not None:
        raise _refused(code, line)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _check_code(constant, variables, seen)
    for name in code.co_names:
        value = variables.get(name, getattr(builtins, name, None))
        if isinstance(value, (types.BuiltinFunctionType, types.FunctionType, type)):
            _check_callable(value, seen)


def _check_callable(value: Any, seen: set[int]) -> None:
    if isinstance(value, types.FunctionType) and locations.is_users(value.__code__.co_filename):
        _check_code(value.__code__, value.__globals__, seen)
    elif (why := purity.why_impure(value)) is not None:
        raise Unsupported(why, hint="move it out of the compiled function", effect=True)


def _refused(code: types.CodeType, line: int) -> Unsupported:
    return Unsupported(
        f"{code.co_name} may have an effect outside the graph, at line {line}",
        hint="move it out of the compiled function, or write it as a plain function in a file",
        location=f"{code.co_filename}:{line}",
        effect=True,
    )


@contextlib.contextmanager
def watching(interpreter: Interpreter) -> Iterator[None]:
    """Within it code of the user's that Python runs in this thread is checked as it is called.

    Raises:
        Unsupported: it may have an effect, before it has it.
    """
    before = sys.getprofile()
    interpreted = threading.get_ident()

    def watch(frame: types.FrameType, event: str, argument: Any) -> None:
        if event not in ("call", "c_call") or threading.get_ident() != interpreted:
            return
        code = frame.f_code
        if not locations.is_users(code.co_filename) or code.co_name == "__del__":
            return
        if event == "call":
            if (line := changes_in(code)) is not None and not _is_own(interpreter, code):
                raise _refused(code, line)
        elif (why := _why_not(interpreter, argument)) is not None:
            raise Unsupported(
                why,
                hint="move it out of the compiled function",
                location=f"{code.co_filename}:{frame.f_lineno}",
                effect=True,
            )

    collects = gc.isenabled()
    gc.disable()  # what the collector calls is not of the function
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()


def _is_own(interpreter: Interpreter, code: types.CodeType) -> bool:
    """Whether the code asks by itself (frontend/control/checked.py)."""
    return "__jic_hooks__" in code.co_freevars


def _why_not(interpreter: Interpreter, function: Any) -> str | None:
    """Why a C function may not be called."""
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if name in purity.changes_of(owner) and not interpreter.context.is_created(owner):
        return f"a {type(owner).__name__} is changed by code that is not interpreted"
    if purity.is_iterator(owner) and name in purity.ITERATES and not isinstance(owner, types.GeneratorType):
        return f"a {type(owner).__name__} is advanced by code that is not interpreted"
    if function is next:
        return "next() is called by code that is not interpreted"
    if isinstance(function, types.BuiltinMethodType) and name in ("setprofile", "__exit__"):
        return None
    return purity.why_impure(function)


def may_reach_users(function: Any, values: list[Any]) -> bool:
    """Whether a function that is not interpreted may call code of the user's, among what it is given."""
    if isinstance(function, torch.nn.Module):
        values = [*function.modules()]
    elif isinstance(function, types.MethodType):
        values = [function.__self__, *values]
    elif not isinstance(function, (types.FunctionType, type)) and not values:
        return False
    return any(map(_is_users, values))


def _is_users(value: Any) -> bool:
    class_ = type(value)
    if class_ is types.FunctionType:
        return locations.is_users(value.__code__.co_filename)
    if class_ is types.MethodType:
        return _is_users(value.__func__) or _is_users(value.__self__)
    if class_ in (list, tuple) and len(value) < 100:
        return any(map(_is_users, value))
    if isinstance(value, torch.nn.Module):
        return any(objects.method(m, "forward") is not None for m in value.modules())
    if class_ in objects._PLAIN_TYPES or isinstance(value, (torch.Tensor, types.BuiltinFunctionType)):
        return False
    return not purity.is_standard(class_.__module__) and class_.__module__.partition(".")[0] not in (
        "torch",
        "jic",
        "numpy",
    )
