"""What a user's Python code is, as a digest: for cache keys that must change when the code does."""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import importlib.util
import re
import sys
import sysconfig
import types
import uuid
from collections.abc import Iterable
from typing import Any

from ..frontend.reach import global_names, is_library

_PLAIN = (
    *(int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented)),
    *(range, slice, re.Pattern, enum.Enum),
)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")})
# Of a class, what Python itself puts there and what differs between equal classes.
_OF_NO_MATTER = frozenset(
    {"__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__", "__slotnames__"}
    | {"__abstractmethods__", "_abc_impl"}
)
_TOOLS = frozenset({"logging", "threading", "_thread", "weakref"})  # their objects are no part of what code computes
_MOST = 100_000  # objects; more are data, which no key should be made of
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class written in Python, most often


def digest_of(objects: Iterable[Any]) -> str:
    """Changes with the code of functions and classes, and with what that code names: helpers, constants, closures.

    Equal in all processes for equal code. Libraries count by name and version. What has no value that can be compared (an
    open file) makes the digest another one each time.
    """
    return _Walk().digest(objects)


class _Walk:
    def __init__(self) -> None:
        self.state = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []  # ids are unique among what lives

    def digest(self, objects: Iterable[Any]) -> str:
        pending = list(objects)
        while pending:
            if len(self.seen) > _MOST:
                self.unique()
                break
            pending = [found for value in pending for found in self.visit(value)]
        return self.state.hexdigest()

    def note(self, *words: object) -> None:
        self.state.update(f"{words!r}\n".encode())

    def unique(self) -> None:
        self.note(uuid.uuid4().hex)

    def visit(self, value: Any) -> list[Any]:
        """Note what `value` is, and return what it is made of."""
        if isinstance(value, _PLAIN):
            self.note(type(value).__qualname__, value)
            return []
        if id(value) in self.seen:
            self.note("again", self.seen[id(value)])
            return []
        self.seen[id(value)] = len(self.seen)
        self.kept.append(value)
        return self.parts(value)

    def parts(self, value: Any) -> list[Any]:
        if isinstance(value, types.ModuleType):
            return self.module(value.__name__)
        if isinstance(value, (type, types.FunctionType)) and _is_of_library(value):
            self.note("library", value.__qualname__)
            return self.module(value.__module__)
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if isinstance(value, type):
            self.note("class", value.__qualname__)
            own = {k: v for k, v in sorted(vars(value).items()) if k not in _OF_NO_MATTER}
            return [*value.__mro__[1:], *(part for pair in own.items() for part in pair)]
        if isinstance(value, (list, tuple)):
            self.note(type(value).__qualname__, len(value))
            return list(value)
        if isinstance(value, (set, frozenset)):
            self.note(type(value).__qualname__, len(value))
            return sorted(value, key=repr)
        if isinstance(value, (dict, types.MappingProxyType)):
            self.note(type(value).__qualname__, len(value))
            return [part for pair in value.items() for part in pair]
        return self.instance(value)

    def function(self, value: types.FunctionType) -> list[Any]:
        self.note("function", value.__qualname__)
        code = value.__code__
        found: list[Any] = [*self.code(code), value.__defaults__, value.__kwdefaults__, vars(value)]
        for cell in value.__closure__ or ():
            try:
                found.append(cell.cell_contents)
            except ValueError:  # not bound yet
                self.note("empty cell")
        names = sorted(global_names(code))
        named = [value.__globals__[name] for name in names if name in value.__globals__]
        named += _imported(code, value.__globals__.get("__package__"))
        # `helpers.limit`: attributes of the user's modules, by the names in the code.
        for module in named:
            if isinstance(module, types.ModuleType) and not _is_installed(module.__name__):
                inside = [vars(module)[name] for name in names if name in vars(module)]
                named += [v for v in inside if all(v is not n for n in named)]
        return [*found, *named]

    def code(self, code: types.CodeType) -> list[Any]:
        """Without names of files and numbers of lines: a pass that is moved is the same pass."""
        self.note("code", code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_flags)
        self.note(getattr(code, "co_exceptiontable", b""))
        found: list[Any] = []
        for constant in code.co_consts:
            found += self.code(constant) if isinstance(constant, types.CodeType) else [constant]
        return found

    def module(self, name: str) -> list[Any]:
        """A library by its version; of a user's module only what is named counts."""
        root = name.partition(".")[0]
        version = getattr(sys.modules.get(root), "__version__", "")
        self.note("module", name, version if _is_installed(name) else "")
        return []

    def instance(self, value: Any) -> list[Any]:
        cls = type(value)
        if isinstance(value, (staticmethod, classmethod)):
            return [cls.__qualname__, value.__func__]
        if isinstance(value, property):
            return ["property", value.fget, value.fset, value.fdel]
        if isinstance(value, functools.partial):
            return ["partial", value.func, value.args, value.keywords]
        if isinstance(value, types.MethodType):
            return ["method", value.__func__, value.__self__]
        if isinstance(value, (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)):
            self.note("builtin", value.__qualname__)
            return []
        if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
            self.note("slot", value.__name__)
            return []
        if isinstance(value, types.GenericAlias) or cls.__module__ == "typing":
            self.note("annotation", repr(value))
            return []
        if cls.__module__.partition(".")[0] in _TOOLS:
            self.note("tool", cls.__qualname__)
            return []
        slots = [vars(c).get("__slots__", ()) for c in cls.__mro__]
        names = [name for s in slots for name in ([s] if isinstance(s, str) else s)]
        fields = {n: getattr(value, n) for n in names if hasattr(value, n)} | getattr(value, "__dict__", {})
        if fields:
            return [cls, fields]
        try:  # what it holds, if anything, is native
            reduced = value.__reduce_ex__(2)
        except Exception:
            self.unique()
            return [cls]
        if isinstance(reduced, str):
            return [cls, reduced]
        return [cls, *(list(part) if hasattr(part, "__next__") else part for part in reduced)]


def _imported(code: types.CodeType, package: str | None) -> list[Any]:
    """The user's modules that `code` imports when it runs; they are imported now."""
    found: list[Any] = []
    bases: list[str] = []  # what the last import statement may import from
    parts = (package or "").split(".")
    above = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname == "IMPORT_NAME":
            bases = [f"{base}.{name}".strip(".") for base in ("", *above)]
            names = bases
        elif instruction.opname == "IMPORT_FROM":  # a module, or something in one
            names = [f"{base}.{name}" for base in bases if base]
        else:
            continue
        for full in names:
            try:
                spec = importlib.util.find_spec(full) if full and not is_library(full) else None
                if spec is not None and not (spec.origin or "").startswith(_LIBRARIES):
                    found.append(importlib.import_module(full))
            except Exception:  # it is no module; or it cannot be imported, and the pass will say so
                continue
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return found + [module for c in inner for module in _imported(c, package)]


def _is_of_library(value: type | types.FunctionType) -> bool:
    if isinstance(value, types.FunctionType):
        module = value.__globals__.get("__name__")
    else:  # a class made by `exec` without a module's name is in `builtins`, too
        module = None if value.__module__ == "builtins" and value.__flags__ & _HEAP_TYPE else value.__module__
    return isinstance(module, str) and _is_installed(module)


@functools.lru_cache(maxsize=1024)
def _is_installed(module: str) -> bool:
    """Whether a module's code is that of a library, which its version stands for."""
    if is_library(module) or module.partition(".")[0] == "torch_mlir":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and file.startswith(_LIBRARIES)
