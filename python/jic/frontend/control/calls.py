"""Calls of interpreted code: what is interpreted, what Python runs because it is pure, and what changes containers."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from .. import locations
from . import (
    builtin_calls,
    checked,
    library,
    lists,
    module_hooks,
    objects,
    protocol_calls,
    purity,
    replays,
    source,
    state_calls,
    torch_functions,
    watch,
)
from .context import Context
from .errors import NotInterpretable, Unsupported
from .frame import Frame
from .iteration import Rows
from .journal import Place, contents_kind
from .scalar import Scalar, from_tensor

if TYPE_CHECKING:
    from .interpreter import Interpreter

_DEPTH = 200
_BOUND_IN_C = (types.BuiltinMethodType, types.MethodWrapperType)
_LRU_CACHE = type(functools.lru_cache(lambda: None))


class Calls:
    """The part of the interpreter that calls."""

    frames: list[Frame]
    context: Context
    notes: list[tuple[str, str, str]]
    leaves_to_python: bool
    iterate: Callable[[Any], Iterator[Any]]
    escaping: Callable[[Any], Any]
    _super: Callable[[Frame | None], Any]
    _module: Callable[..., Any]
    _bind: Callable[..., None]
    _interpret: Callable[..., Any]
    location: Callable[[], str]
    attribute: Callable[[Any, str], Any]

    @property
    def _whole(self) -> Interpreter:
        return self  # type: ignore[return-value]

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any], caller: Frame | None) -> Any:
        handler = state_calls.find(function, args) or builtin_calls.find(function) or replays.find(function)
        if handler is not None:
            return handler(self._whole, *args, **kwargs)
        function = library.find(function) or function
        if function is super and not args:
            return self._super(caller)
        if isinstance(function, functools.partial):
            self.context.outer.partial(function)
            return self.call(function.func, [*function.args, *args], {**function.keywords, **kwargs}, caller)
        if isinstance(function, types.MethodType):
            if (handler := replays.find_method(function)) is not None:
                return handler(self._whole, function, args, kwargs)
            return self.call(function.__func__, [function.__self__, *args], kwargs, caller)
        if isinstance(function, torch.nn.Module):
            return self._module(function, args, kwargs, caller)
        if isinstance(function, types.FunctionType):
            return self._function(function, args, kwargs)
        if isinstance(function, _BOUND_IN_C) and not isinstance(
            function.__self__, (types.ModuleType, type(None), type)
        ):
            return self._method(function, function.__self__, function.__name__, args, kwargs)
        if _is_method_of(function, args):
            return self.call(function.__get__(args[0], type(args[0])), args[1:], kwargs, caller)
        if isinstance(function, type):
            return objects.construct(self._whole, function, args, kwargs)
        compiled = getattr(type(function), "interpreted", None)  # what `jic.compile` made: its function is interpreted
        if compiled is not None:
            return self.call(function.fn, args, kwargs, caller)
        if isinstance(function, _LRU_CACHE):
            return self._cached(function, args, kwargs)
        self.context.outer.class_attribute(type(function), "__call__")
        if (method := objects.method(function, "__call__")) is not None:
            return self.call(method, [function, *args], kwargs, caller)
        return self._native(function, args, kwargs)

    def _native(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The result of a function that is not interpreted.

        Raises:
            Unsupported: it is not known to be pure.
        """
        if (why := purity.why_impure(function)) is not None:
            raise Unsupported(why, hint="move it out of the compiled function", effect=True)
        values = [*args, *kwargs.values()]
        for value in values:
            self._check_given(value)
            self.context.outer.argument(value)
        given = [self._given(v) for v in args], {k: self._given(v) for k, v in kwargs.items()}
        if any(function is f for f in purity.TAKE_FUNCTIONS):
            given = [self._interpreted(v) for v in given[0]], {k: self._interpreted(v) for k, v in given[1].items()}
        if watch.may_reach_users(function, values):
            with watch.watching(self):
                return self.context.created_deep(function(*given[0], **given[1]))
        found = function(*given[0], **given[1])
        return self.context.created_deep(found) if purity.gives_new(function) else found

    def _unseen(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The result of user's code that is not interpreted: it may read all that it reaches."""
        self._reads_all(function, args, kwargs)
        return self._native(function, args, kwargs)

    def _reads_all(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        for value in (function, getattr(function, "__wrapped__", None), *args, *kwargs.values()):
            self.context.outer.everything(value)

    def _check_given(self, value: Any) -> None:
        """A function that is not interpreted reads `value`."""
        if isinstance(value, torch.Tensor):
            return
        if purity.is_iterator(value):
            self.takes(value)
        elif purity.holds_foreign_memory(value) and not self.context.is_created(value):
            raise Unsupported(
                "a NumPy array from outside is read, whose changes nobody notices",
                hint="pass torch.from_numpy(array) as an argument",
            )

    def _given(self, value: Any) -> Any:
        """An argument of a function that is not interpreted."""
        return self.escaping(value) if type(value) in (list, tuple, dict) else value

    def _interpreted(self, value: Any) -> Any:
        """A function of the user's as one that C may call."""
        function = value.__func__ if isinstance(value, types.MethodType) else value
        users = isinstance(function, types.FunctionType) or objects.method(function, "__call__") is not None
        return (lambda *a, **k: self.call(value, list(a), k, None)) if users else value

    def takes(self, iterator: Any) -> None:
        """An item is about to be taken from `iterator`, or all of them.

        Raises:
            Unsupported: it outlives the call, or the control flow that is being traced.
        """
        if not self.context.is_created(iterator):
            raise Unsupported(
                f"a {type(iterator).__name__} that was made outside the compiled function is advanced",
                hint="pass what it gives as an argument",
                effect=True,
            )
        self.context.advances += 1
        if self.context.regions and not self.context.is_created(iterator, self.context.regions[-1].serial):
            raise Unsupported(f"a {type(iterator).__name__} is advanced in control flow that is compiled")

    # ---- Python functions ----

    def _function(self, function: types.FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if not self._is_interpreted(function):
            if torch_functions.is_shadowed(function):
                raise Unsupported(
                    f"{function.__name__} of torch is replaced by another function, which torch calls in its place when traced",
                    hint="call the function that is there now",
                )
            if (
                function in torch_functions.MODULE_CALLS and args and isinstance(args[0], torch.nn.Module)
            ):  # super().__call__(...)
                return module_hooks.call(self._whole, args[0], args[1:], kwargs, None)
            if (decorated := torch_functions.decorated(function)) is not None:  # as by torch.no_grad()
                with decorated["ctx_factory"]():
                    return self.call(decorated["func"], args, kwargs, None)
            if (wrapped := checked.context_manager_of(function)) is not None:
                return self.context.created(checked.manager(self._whole, wrapped, args, kwargs))
            if args and function.__name__ in purity.changes_of(args[0]):  # as Counter.update
                bound = types.MethodType(function, args[0])
                return self._changing_method(bound, args[0], function.__name__, args[1:], kwargs)
            if args and isinstance(args[0], purity.CHANGEABLE) and not self.context.is_created(args[0]):
                raise Unsupported(f"a method of a {type(args[0]).__name__} from outside is called", effect=True)
            of_module = bool(args) and isinstance(args[0], torch.nn.Module)
            shallow = not of_module or isinstance(args[0], torch_functions.CONTAINERS)
            if shallow and getattr(function, "__wrapped__", None) is None:
                return self._native(function, args, kwargs)
            return self._unseen(function, args, kwargs)
        try:
            node = source.syntax_of(function.__code__)
        except NotInterpretable as error:
            return self._left(function, args, kwargs, str(error))
        if len(self.frames) >= _DEPTH:
            raise Unsupported(
                f"calls nest deeper than {_DEPTH}",
                hint="a recursion must end by a condition that is known while tracing",
            )
        if self.context.regions and sum(f.code is function.__code__ for f in self.frames) > 3:
            raise Unsupported(
                f"{function.__name__} calls itself under a condition that is only known at run time",
                hint="write it as a loop",
            )
        self.context.outer.function(function)
        frame = Frame(self.context, function)
        self._bind(frame, function, args, kwargs)
        mark = self.context.journal.mark, self.context.mark(), self.context.advances
        try:
            return self._interpret(frame, node)
        except NotInterpretable as error:
            why = str(error)
        if self.context.advances != mark[2]:
            raise Unsupported(f"{function.__name__} takes from an iterator and holds {why}")
        self.context.journal.undo(mark[0])
        self.context.erase(mark[1])
        return self._left(function, args, kwargs, why)

    @staticmethod
    def _is_interpreted(function: types.FunctionType) -> bool:
        users = locations.is_users(function.__code__.co_filename)
        return users or library.is_interpreted(function) or function in torch_functions.INTERPRETED

    def _left(self, function: types.FunctionType, args: list[Any], kwargs: dict[str, Any], why: str) -> Any:
        """The result of a function of the user's that Python runs, checked for effects."""
        self._note_left(function, why)
        self._reads_all(function, args, kwargs)
        try:
            made = checked.version_of(self._whole, function)
        except NotInterpretable:
            watch.check(self._whole, function)
            with watch.watching(self):
                found = function(*map(self._given, args), **{k: self._given(v) for k, v in kwargs.items()})
            return self.context.uncertain(found)
        found = made(*map(self._given, args), **{k: self._given(v) for k, v in kwargs.items()})
        return self.context.created(found) if purity.is_iterator(found) and made is not function else found

    def _note_left(self, function: types.FunctionType, why: str) -> None:
        self.leaves_to_python = True
        code = function.__code__
        where = self.location() or f"{code.co_filename}:{code.co_firstlineno}"
        why = f"runs as it is while tracing: {why} (write it as a plain function in a file to have it compiled as a whole)"
        if (note := (function.__name__, why, where)) not in self.notes:
            self.notes.append(note)

    def _cached(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A call of what `functools.lru_cache` made: the cache is left alone, and a constant is the same without it."""
        wrapped = function.__wrapped__
        mark, data = self.context.journal.mark, self.context.outer.reads.data
        found = self.call(wrapped, args, kwargs, None)
        constant = isinstance(found, (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device))
        constant = constant and self.context.outer.reads.data == data  # else the cache may hold what was read before
        if not constant or self.context.journal.has_effects(mark, self.context.is_created):
            raise Unsupported(
                f"{getattr(wrapped, '__name__', 'a function')} is cached by functools, and has effects or gives an object",
                hint="call it outside the compiled function",
                effect=True,
            )
        return found

    # ---- methods of containers, which change them ----

    def _method(self, function: Any, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        self.context.outer.method(owner, name, args)
        if isinstance(owner, torch.Tensor):
            if name == "item":
                return from_tensor(owner)
            if name == "unbind":
                return Rows.of(owner, *args, **kwargs)
            if name == "tolist" and owner.dim() == 0:
                return from_tensor(owner)
            return self._native(function, args, kwargs)
        if name in ("__setattr__", "__delattr__") and not isinstance(owner, type):
            return self.set_attribute(owner, args[0], *args[1:])
        if name in purity.changes_of(owner):
            return self._changing_method(function, owner, name, args, kwargs)
        if purity.is_iterator(owner) and name in purity.ITERATES:
            self.takes(owner)
        if isinstance(owner, (list, dict, set)):
            if type(owner) is list and name == "copy":
                return self.context.created(list(owner))
            if lists.has_segment(owner):
                function = getattr(lists.expanded(owner), name)
        if isinstance(owner, str) and name in ("format", "join", "format_map"):
            protocol_calls.no_text([*args, *kwargs.values()])
        if (handler := replays.find_method(function)) is not None:
            return handler(self._whole, function, args, kwargs)
        return self._native(function, args, kwargs)

    def _changing_method(self, function: Any, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(owner, list) and name == "append" and not kwargs:
            return self.append(owner, *args)
        if isinstance(owner, list) and name == "extend" and not kwargs:
            return self.extend(owner, *args)
        if name in ("extend", "extendleft", "update", "difference_update", "intersection_update") and args:
            # What it takes from is taken now, and once.
            args = [a if isinstance(a, (dict, list, set)) else self.context.created([*self.iterate(a)]) for a in args]
        kwargs = {k: self._interpreted(v) if k == "key" else v for k, v in kwargs.items()}
        if kwargs.get("key") is not None and not self.context.is_created(owner):
            raise Unsupported(f"a {type(owner).__name__} that outlives the call is sorted by a function", effect=True)
        return self.mutate(owner, function, args, kwargs, reads=name in purity.READS_TOO)

    def mutate(
        self,
        owner: Any,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any] | None = None,
        reads: bool = False,
    ) -> Any:
        """The result of `function(*args, **kwargs)`, which changes the container `owner`, now and after each run.

        Args:
            reads: whether it depends on what `owner` holds.

        Raises:
            Unsupported: it cannot be taken back or repeated.
        """
        kwargs = kwargs or {}
        for value in (*args, *kwargs.values()):
            if purity.is_iterator(value):
                self.takes(value)
        if reads:
            self.context.outer.whole(owner)
        self.changes(owner)
        if type(owner) is list and lists.has_segment(owner):
            owner[:] = lists.expanded(owner, kept=True)
        found = function(*map(self._given, args), **kwargs)
        if not self.context.is_created(owner):
            self.context.journal.repeat(function, tuple(args), kwargs, False)
        return found

    def append(self, owner: list[Any], value: Any) -> None:
        self.changes(owner)
        list.append(owner, value)
        if not self.context.is_created(owner):
            self.context.journal.repeat(list.append, (owner, value), {}, False)

    def extend(self, owner: list[Any], values: Any) -> None:
        self.changes(owner)
        items = list(values) if lists.has_segment(values) else [*self.iterate(values)]
        list.extend(owner, items)
        if not self.context.is_created(owner):
            self.context.journal.repeat(list.extend, (owner, self.context.created(items)), {}, False)

    def set_item(self, owner: Any, index: Any, value: Any) -> None:
        """`owner[index] = value` for a container."""
        if (method := objects.method(owner, "__setitem__")) is not None:
            self.call(method, [owner, index, value], {}, None)
            return
        if isinstance(owner, list):
            self.context.outer.length(owner)  # whether the index is in range
        elif isinstance(owner, dict) and self.context.is_created(owner):
            self.changes(owner, index)
            owner[index] = value
            return
        self.changes(owner)
        owner[index] = value
        if not self.context.is_created(owner):
            self.context.journal.repeat(_set_item, (owner, index, value), {}, False)

    def delete_item(self, owner: Any, index: Any) -> None:
        """`del owner[index]`."""
        if (method := objects.method(owner, "__delitem__")) is not None:
            self.call(method, [owner, index], {}, None)
        else:
            self.mutate(owner, _delete_item, [owner, index], reads=True)

    def changes(self, owner: Any, key: Any = None) -> None:
        """A container is about to be changed: note what it holds.

        Raises:
            Unsupported: it is of a kind that cannot be taken back, or outlives the call, and the effect is not wanted.
        """
        kind = contents_kind(owner)
        if not self.context.is_created(owner):
            self.context.check_effect(
                f"a {type(owner).__name__} that was made outside the compiled function is changed"
            )
            if kind is None or self.context.is_uncertain(owner) or id(owner) in self.context.outer.given:
                raise Unsupported(
                    f"a {type(owner).__name__} that may have been made outside the compiled function is changed",
                    hint="return the new values, or copy it first",
                    effect=True,
                )
            self.context.journal.note(Place(kind, owner))
        elif type(owner) is dict:
            existing = key is not None and key in owner
            self.context.journal.note(Place("item", owner, key) if existing else Place("dict", owner))
        elif kind is not None:
            if self.context.regions and kind == "deque":
                raise Unsupported("a deque is changed in control flow that is compiled", hint="use a list or dict")
            self.context.journal.note(Place(kind, owner))
        elif self.context.regions:
            raise Unsupported(
                f"a {type(owner).__name__} is changed in control flow that is compiled", hint="use a list or dict"
            )

    # ---- attributes ----

    def set_attribute(self, owner: Any, name: str, *value: Any) -> None:
        """Assign an attribute, or delete it (no value), past what its class may have to say.

        Raises:
            Unsupported: that cannot be taken back or repeated.
        """
        self.context.journal.write(objects.writable(self.context, owner, name), *(value or (objects.UNDEFINED,)))

    def writes(self, tensor: torch.Tensor) -> None:
        """`tensor` is about to be written to in place."""
        self.context.writes(tensor)


def _is_method_of(function: Any, args: list[Any]) -> bool:
    """Whether `function` is a method of Python's own, such as `dict.update`, and the first argument has it."""
    if not args or not isinstance(function, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return False
    return not isinstance(args[0], (torch.Tensor, Scalar)) and isinstance(args[0], function.__objclass__)


def _set_item(owner: Any, index: Any, value: Any) -> None:
    owner[index] = value


def _delete_item(owner: Any, index: Any) -> None:
    del owner[index]
