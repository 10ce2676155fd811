"""What code can reach that is not interpreted: everything it names, and all that those objects hold.

The names are those in the code object; objects are followed through their attributes, items, classes and closures, outside
torch and the standard library.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import functools
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import torch

from ..errors import CaptureError
from . import locations
from .guards import ABSENT, items_of, keys_of, looked_up, object_parts
from .reads import Reads, is_plain_key

_MAX_ATTRIBUTES = 1000  # of a plain object; larger ones are data rather than configuration
_DEPTH, _MOST = 100, 100_000
_LEAVES = (
    int, float, bool, complex, str, bytes, type(None), range, slice, type(...), torch.dtype, torch.device, torch.layout,
    torch.memory_format, torch.Generator, types.BuiltinFunctionType, types.CodeType, torch.Tensor,
)  # fmt: skip
_CALL_HOOKS = ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks")
# Objects of these modules are tools, not data.
_NO_STATE = frozenset({"logging", "threading", "_thread", "weakref", "io", "_io", "concurrent", "asyncio"})
# Names of what shows all of a module at once.
_WHOLE = frozenset({"vars", "dir", "__dict__"})
# What holds data that no guard sees.
_OPAQUE = ("ndarray", "bytearray", "array", "memoryview")


class Reach:
    """Notes in `reads` all that is reached of the objects for which `is_outer` holds.

    Attributes:
        tensors: the tensors that were met, and the names under which they were, by id.
    """

    def __init__(self, reads: Reads | None, is_outer: Callable[[Any], bool] = lambda value: True, objects: bool = True):
        self.reads, self.is_outer, self.objects = reads, is_outer, objects
        self.tensors: dict[int, tuple[torch.Tensor, str]] = {}
        self._seen: dict[int, Any] = {}
        self._depth = 0

    def visit(self, value: Any, name: str = "") -> None:
        if isinstance(value, torch.Tensor):
            self.tensors.setdefault(id(value), (value, name))
            return
        if isinstance(value, _LEAVES) or id(value) in self._seen:
            return
        if self._depth > _DEPTH or len(self._seen) > _MOST:
            if self.reads is not None:
                raise CaptureError("code that is not interpreted can reach very many objects, nested deeply")
            return
        self._seen[id(value)] = value
        self._depth += 1
        try:
            self._look(value, name)
        finally:
            self._depth -= 1

    def _look(self, value: Any, name: str) -> None:
        if isinstance(value, (tuple, frozenset)):
            self._all(value, name)
            if not hasattr(value, "__dict__"):
                return
        if isinstance(value, (list, set, collections.deque)):
            if self.reads is not None and self.is_outer(value):
                self.reads.elements(value)
            self._all(items_of(value), name)
        elif isinstance(value, dict):
            self._dict(value, name)
        if not self.objects:
            return
        if isinstance(value, torch.nn.Module):
            self._module(value, name)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self.visit(value.__self__, name)
            self.visit(value.__func__, name)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self.visit(part, name)
        elif isinstance(value, type):
            self._class(value)
        elif not isinstance(value, types.ModuleType):
            self._object(value, name)

    def _all(self, items: Iterable[Any], name: str) -> None:
        for item in list(items):
            self.visit(item, name)

    def _dict(self, value: dict[Any, Any], name: str) -> None:
        if self.reads is not None and self.is_outer(value):
            if not all(map(is_plain_key, keys_of(value))):
                return  # nobody looks a key up without running code of its class
            self.reads.items(value)
        for key, item in list(dict.items(value)):
            self.visit(item, f"{name}.{key}" if name else str(key))

    def _module(self, module: torch.nn.Module, name: str) -> None:
        fields = module.__dict__
        self._type_of(module)
        forward = looked_up(type(module), "forward")
        if self.reads is not None:
            self.reads.class_attribute(type(module), "forward", forward)
        self.visit(forward)
        self._items(module, fields)
        prefix = f"{name}." if name else ""
        for key, value in list(fields.items()):
            if key in ("_parameters", "_buffers", "_modules"):
                self._items(module, value)
                for part, item in list(value.items()):
                    self.visit(item, prefix + part)
            elif key in _CALL_HOOKS and type(value) in (dict, collections.OrderedDict):
                self._dict(value, prefix + key)  # of which torch, the only reader, looks at items alone
            elif not key.startswith("_") or key in _CALL_HOOKS:
                self.visit(value, prefix + key)

    def _object(self, value: Any, name: str) -> None:
        class_ = type(value)
        if is_opaque(value) and self.reads is not None and self.is_outer(value):
            raise CaptureError(
                f"code that is not interpreted can read a {class_.__qualname__}, whose contents are not guarded",
                hint="pass it as an argument, as a tensor",
            )
        if module_of(class_).partition(".")[0] in _NO_STATE:
            return
        _, fields = object_parts(value)
        self._type_of(value)
        if fields is not None and len(fields) <= _MAX_ATTRIBUTES:
            self._items(value, fields)
            for key, item in list(fields.items()):
                self.visit(item, f"{name}.{key}")
        for base in class_.__mro__:
            for slot in _names(base.__dict__.get("__slots__", ())):
                self._slot(value, slot, name)

    def _slot(self, owner: Any, slot: str, name: str) -> None:
        value = getattr(owner, slot, ABSENT)
        if self.reads is not None and self.is_outer(owner):
            self.reads.attribute(owner, slot, value)
        if value is not ABSENT:
            self.visit(value, f"{name}.{slot}")

    def _type_of(self, value: Any) -> None:
        if self.reads is not None and self.is_outer(value):
            self.reads.object(value)
        self.visit(type(value))

    def _class(self, class_: type) -> None:
        """Everything that the class and its bases outside torch define."""
        if is_library(module_of(class_)):
            return
        names = [
            name
            for base in class_.__mro__
            if not is_library(module_of(base))
            for name in base.__dict__
            if not name.startswith("__") or isinstance(base.__dict__[name], types.FunctionType)
        ]
        for name in names:
            found = looked_up(class_, name)
            if self.reads is not None:
                self.reads.class_attribute(class_, name, found)
            inner = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
            self.visit(inner, name)

    def _function(self, function: types.FunctionType) -> None:
        code = function.__code__
        if not locations.is_users(code.co_filename):
            self._library_function(function)
            return
        if self.reads is not None and self.is_outer(function):
            self.reads.function(function)
        namespace = function.__globals__
        names = global_names(code)
        for name in sorted(names):
            if self.reads is not None:
                self.reads.seen_item(namespace, name)
                if name not in namespace and hasattr(builtins, name):
                    self.reads.seen_item(vars(builtins), name)
            if name in namespace:
                self._global(namespace[name], name, names)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if self.reads is not None and self.is_outer(cell):
                self.reads.seen_cell(cell)
            try:
                self.visit(cell.cell_contents, name)
            except ValueError:  # an empty cell
                continue
        self.visit(function.__defaults__, function.__name__)
        self.visit(function.__kwdefaults__, function.__name__)
        self._items(function, function.__dict__)
        self._all(function.__dict__.values(), function.__name__)

    def _library_function(self, function: types.FunctionType) -> None:
        """Of torch's and the standard library's functions: what they close over, and the functions they name, if replaced."""
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell
                self.visit(cell.cell_contents, function.__name__)
        if self.reads is None or not module_of(function).startswith("torch.nn"):
            return
        names, namespace = global_names(function.__code__), function.__globals__
        for name in sorted(names & namespace.keys()):
            self.reads.seen_item(namespace, name)
            if isinstance(namespace[name], types.ModuleType):
                for attribute in sorted(names & vars(namespace[name]).keys()):
                    self.reads.seen_item(vars(namespace[name]), attribute)

    def _global(self, value: Any, name: str, names: set[str]) -> None:
        if not isinstance(value, types.ModuleType):
            self.visit(value, name)
            return
        library, namespace = is_library(value.__name__), vars(value)
        if library and (self.reads is None or value.__name__.partition(".")[0] not in sys.stdlib_module_names):
            return
        if self.reads is not None and not library and names & _WHOLE:
            self.reads.items(namespace)
        # Names that it does not have yet count too: `hasattr(module, "flag")`.
        for attribute in sorted(names if not library else names & namespace.keys()):
            if self.reads is not None:
                self.reads.seen_item(namespace, attribute)
            found = namespace.get(attribute)
            if library and isinstance(found, (types.ModuleType, types.FunctionType, type)):
                continue  # it has no state that the code could read, but that it is this one
            if id(found) not in self._seen:
                self._global(found, attribute, names - {name})

    def _items(self, owner: Any, fields: dict[str, Any]) -> None:
        if self.reads is not None and self.is_outer(owner):
            self.reads.items(fields)


def hints(fn: Any) -> dict[int, tuple[torch.Tensor, str]]:
    """The tensors that a call of `fn` may use, with their names, by id: a guess, made before the call is traced."""
    reach = Reach(None)
    if isinstance(fn, types.MethodType):
        reach.visit(fn.__self__, "" if isinstance(fn.__self__, torch.nn.Module) else "self")
        reach.visit(fn.__func__, fn.__func__.__name__)
    else:
        reach.visit(fn, "" if isinstance(fn, torch.nn.Module) else getattr(fn, "__name__", "fn"))
    return reach.tensors


def is_opaque(value: Any) -> bool:
    """Whether `value` holds data that no guard sees."""
    return type(value).__name__ in _OPAQUE


def global_names(code: types.CodeType) -> set[str]:
    """The names of globals and attributes in `code` and the functions inside it, and those `getattr` may be given."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= global_names(constant)
        elif isinstance(constant, str) and constant.isidentifier():
            names.add(constant)
    return names


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def module_of(value: Any) -> str:
    """The name of the module that defines a class or function; classes of C code may say anything there."""
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else "builtins"


@functools.lru_cache(maxsize=4096)
def is_library(module: str) -> bool:
    """Whether a module is torch's, jic's or the standard library's."""
    root = module.partition(".")[0]
    return root in ("torch", "builtins", "jic") or root in sys.stdlib_module_names and root != "__main__"
