"""Interprets Python functions while they are traced: statements, calls, and what calls of other code need.

Functions of the user's are interpreted, with everything they call that is written in Python and is not torch's or the
standard library's; other functions run as they are. So does a function without source, or with statements that are left
to Python.
"""

from __future__ import annotations

import ast
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .. import locations
from . import builtin_calls, library, lists, source, state_calls
from .attributes import Attributes
from .context import Context
from .errors import Again, NotInterpretable, Unsupported
from .expressions import plain
from .frame import Frame
from .iteration import Range, Rows, Unroll, Wrapped
from .journal import UNDEFINED, Place
from .lists import Segment
from .scalar import Scalar, from_tensor, tracing
from .statements import RETURN, Statements

_DEPTH = 200
_MODULE_CALL, _SEQUENTIAL = torch.nn.Module.__call__, torch.nn.Sequential.forward.__code__
_LIST_METHODS = frozenset(
    {"append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse", "copy", "index", "count"}
)
_DICT_CHANGES = frozenset({"update", "pop", "popitem", "clear", "setdefault"})
_SET_CHANGES = frozenset(
    {"add", "discard", "remove", "pop", "clear", "update", "difference_update", "intersection_update"}
)
# Modules of torch's whose methods look at their own entries only.
CONTAINERS = (
    torch.nn.ModuleList,
    torch.nn.ModuleDict,
    torch.nn.ParameterList,
    torch.nn.ParameterDict,
    torch.nn.Sequential,
)


class Interpreter:
    """One trace's interpreter.

    Attributes:
        notes: (what, why, location) of loops that were unrolled, and of functions that were left to Python.
    """

    def __init__(self, stand_in: Callable[[Any], Any]) -> None:
        self.frames: list[Frame] = []
        self.context = Context(self.location, stand_in)
        self.context.variables = self._variables
        self.notes: list[tuple[str, str, str]] = []
        self.failed_at = ""  # where the function raised
        self._statements: dict[int, Statements] = {}
        self.attributes = Attributes(self)
        self.attribute = self.attributes.load
        self.plain = plain

    def location(self) -> str:
        """The user's line that is being interpreted."""
        for frame in reversed(self.frames):
            if locations.is_users(frame.code.co_filename):
                return frame.location
        return ""

    def _variables(self) -> Iterator[tuple[Place, Any]]:
        """All variables of the functions that are being interpreted: what code may still read."""
        for frame in self.frames:
            for name, value in frame.variables.items():
                if name != RETURN:
                    yield Place("var", frame, name), value
            for cell in frame.cells.values():
                yield Place("cell", cell), Place("cell", cell).read()

    def locate(self, error: Unsupported) -> None:
        """Give `error` the current line if it has none."""
        error.location = error.location or self.location()

    def note_unrolled(self, what: str, error: Unsupported) -> str:
        """Note that a loop is unrolled; returns why."""
        why = error.message + (f" ({error.hint})" if error.hint else "")
        note = (what, f"unrolled: {why}", error.location)
        if note not in self.notes:
            self.notes.append(note)
        return why

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of `function(*args, **kwargs)`, and the end of the trace.

        Raises:
            Unsupported: it cannot be captured, with the user's line.
        """
        before, tracing.context = tracing.context, self.context
        try:
            result = self.escaping(self.call(function, list(args), kwargs, None), {}, ends=True)
            self.context.finish()
        except Unsupported as error:
            self.locate(error)
            raise
        finally:
            tracing.context = before
        return result

    def escaping(self, value: Any, made: dict[int, Any] | None = None, ends: bool = False) -> Any:
        """A value that leaves interpreted code: lists with segments as plain lists; `made` has those of this value, by id.

        Where the call `ends`, the tensors of segments have memory of their own, as they have in eager.
        """
        made = {} if made is None else made
        if isinstance(value, (Range, Unroll, Wrapped)):
            raise Unsupported("an iterator leaves the compiled function")
        if id(value) in made:
            return made[id(value)]
        if type(value) in (list, tuple, Rows):
            made[id(value)] = value  # where it holds itself
            items = [self.escaping(v, made, ends) for v in lists.expanded(value, apart=ends)]
            unchanged = len(items) == len(value) and all(a is b for a, b in zip(items, value, strict=False))
            if not unchanged or type(value) is Rows:
                made[id(value)] = tuple(items) if isinstance(value, tuple) else items
            return made[id(value)]
        if type(value) is dict:
            made[id(value)] = value
            items = {k: self.escaping(v, made, ends) for k, v in value.items()}
            if any(items[k] is not v for k, v in value.items()):
                made[id(value)] = items
            return made[id(value)]
        return value

    # ---- calls ----

    def call(self, function: Any, args: list[Any], kwargs: dict[str, Any], caller: Frame | None) -> Any:
        handler = state_calls.find(function, args) or builtin_calls.find(function)
        if handler is not None:
            return handler(self, *args, **kwargs)
        function = library.find(function) or function
        if function is super and not args:
            return self._super(caller)
        if isinstance(function, functools.partial):
            self.context.outer.partial(function)
            return self.call(function.func, [*function.args, *args], {**function.keywords, **kwargs}, caller)
        if isinstance(function, types.MethodType):
            return self.call(function.__func__, [function.__self__, *args], kwargs, caller)
        if isinstance(function, torch.nn.Module):
            return self._module(function, args, kwargs, caller)
        if isinstance(function, types.FunctionType):
            return self._function(function, args, kwargs)
        if isinstance(function, types.BuiltinMethodType) and not isinstance(
            function.__self__, (types.ModuleType, type(None), type)
        ):
            return self._method(function, function.__self__, function.__name__, args, kwargs)
        if isinstance(function, type):
            return self.context.created(self._native(function, args, kwargs))
        compiled = getattr(type(function), "interpreted", None)  # what `jic.compile` made: its function is interpreted
        if compiled is not None:
            return self.call(function.fn, args, kwargs, caller)
        return self._native(function, args, kwargs)

    def _native(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        for value in (*args, *kwargs.values()):
            self.context.outer.argument(value)
        return function(*map(self._given, args), **{k: self._given(v) for k, v in kwargs.items()})

    def _unseen(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The result of user's code that is not interpreted: it may read all that it reaches."""
        for value in (function, getattr(function, "__wrapped__", None), *args, *kwargs.values()):
            self.context.outer.everything(value)
        return self._native(function, args, kwargs)

    def _given(self, value: Any) -> Any:
        """An argument of a function that is not interpreted."""
        return self.escaping(value) if type(value) in (list, tuple, dict) else value

    def _function(self, function: types.FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if not locations.is_users(function.__code__.co_filename) and not library.is_interpreted(function):
            wrapped = getattr(function, "__wrapped__", None)  # as with contextlib.contextmanager
            self._check_effects(wrapped)
            method = bool(args) and isinstance(args[0], torch.nn.Module)
            if wrapped is None and not (method and not isinstance(args[0], CONTAINERS)):
                return self._native(function, args, kwargs)
            return self._unseen(function, args, kwargs)
        try:
            node = source.syntax_of(function.__code__)
        except NotInterpretable as error:
            self._check_effects(function)
            self._note_left(function, str(error))
            return self._unseen(function, args, kwargs)
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
        mark = self.context.journal.mark, self.context.mark()
        try:
            return self._interpret(frame, node)
        except NotInterpretable as error:
            self._note_left(function, str(error))
        self.context.journal.undo(mark[0])
        self.context.erase(mark[1])
        return self._unseen(function, args, kwargs)

    def _interpret(self, frame: Frame, node: source.FunctionNode) -> Any:
        statements = self.statements(frame)
        self.frames.append(frame)
        try:
            if isinstance(node, ast.Lambda):
                return statements.value(node.body)
            flow = statements.block(node.body)
        except (Unsupported, Again) as error:
            if isinstance(error, Unsupported):
                self.locate(error)
                if len(self.frames) == 1:
                    error.outermost = frame.function, frame.line
            raise
        except Exception:
            self.failed_at = self.failed_at or self.location()
            raise
        finally:
            self.frames.pop()
            self._statements.pop(id(frame), None)
        value = frame.variables.get(RETURN, UNDEFINED)
        if flow.certain:
            return None if value is UNDEFINED else value
        # Where it did not return it ends without a value; a raise gives up the call anyway.
        if "next" in flow.kinds and "return" in flow.kinds and value is not None:
            raise Unsupported("the function returns a value in some cases only, and None in others")
        return None if value is UNDEFINED else value

    def _check_effects(self, function: Any) -> None:
        """A function of the user's that runs as it is must not change the world while it is traced."""
        code = getattr(function, "__code__", None)
        if code is None or not locations.is_users(code.co_filename) or "site-packages" in code.co_filename:
            return
        line = source.effect_in(code)
        if line is not None:
            raise Unsupported(
                f"{function.__name__} has an effect outside the graph, at line {line}",
                hint="move it out of the compiled function",
                effect=True,
            )

    def _note_left(self, function: types.FunctionType, why: str) -> None:
        code = function.__code__
        where = self.location() or f"{code.co_filename}:{code.co_firstlineno}"
        why = f"runs as it is while tracing: {why} (write it as a plain function in a file to have it compiled as a whole)"
        if (note := (function.__name__, why, where)) not in self.notes:
            self.notes.append(note)

    @staticmethod
    def _bind(frame: Frame, function: types.FunctionType, args: list[Any], kwargs: dict[str, Any]) -> None:
        bound = inspect.signature(function, follow_wrapped=False).bind(*args, **kwargs)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if type(value) is dict and function.__code__.co_flags & inspect.CO_VARKEYWORDS:
                frame.context.created(value)
            if name in frame.cells:
                frame.cells[name].cell_contents = value
            else:
                frame.variables[name] = value

    def statements(self, frame: Frame) -> Statements:
        found = self._statements.get(id(frame))
        if found is None or found.frame is not frame:
            found = self._statements[id(frame)] = Statements(self, frame)
        return found

    def define(self, node: source.FunctionNode, frame: Frame) -> types.FunctionType:
        """The function that a `def` or `lambda` makes: a real one, over the frame's cells."""
        outermost = frame
        while outermost.outer is not None:
            outermost = outermost.outer
        code = source.inner_code(frame.code, node)
        missing = [name for name in code.co_freevars if name not in outermost.cells]
        if missing:
            raise NotInterpretable(f"a function in a comprehension that uses its variable {missing[0]}")
        evaluate = self.statements(frame).value
        defaults = tuple(evaluate(d) for d in node.args.defaults)
        keywords = {
            a.arg: evaluate(d)
            for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if d is not None
        }
        closure = tuple(outermost.cells[name] for name in code.co_freevars)
        made = types.FunctionType(code, frame.function.__globals__, code.co_name, defaults or None, closure)
        made.__kwdefaults__ = keywords or None
        made.__qualname__ = code.co_qualname
        made.__module__ = frame.function.__module__
        return self.context.created(made)

    def _super(self, frame: Frame | None) -> Any:
        if frame is None or "__class__" not in frame.cells:
            raise NotInterpretable("super() outside a method")
        first = frame.code.co_varnames[0]
        return super(frame.cells["__class__"].cell_contents, frame.load(first))

    def _module(self, module: torch.nn.Module, args: list[Any], kwargs: dict[str, Any], caller: Frame | None) -> Any:
        compiled = module.__dict__.get("compiled")
        if compiled is not None and hasattr(type(compiled), "interpreted"):
            return self.call(compiled.fn, args, kwargs, caller)
        outer = self.context.outer
        for hooks in _hooks(module):
            if outer.has(module):
                outer.whole(hooks)
            if hooks:
                return self._unseen(module, args, kwargs)
        if _replaced():
            raise Unsupported("torch.nn.Module.__call__ is replaced, which torch's tracer does not see")
        if outer.class_attribute(type(module), "__call__") is not torch.nn.Module.__call__:
            return self._unseen(module, args, kwargs)
        layer = library.find_module(module)
        if layer is not None and args and isinstance(args[0], torch.Tensor):
            return self.call(layer, [module, *args], kwargs, caller)
        forward = self.attribute(module, "forward")
        code = getattr(getattr(forward, "__func__", forward), "__code__", None)
        if type(module) is torch.nn.Sequential and code is _SEQUENTIAL:
            value = args[0]
            for child in self.iterate(self.attribute(module, "_modules").values()):
                value = self.call(child, [value], {}, caller)
            return value
        if code is None or not locations.is_users(code.co_filename):
            return self._unseen(module, args, kwargs)
        return self.call(forward, args, kwargs, caller)

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
        if type(owner) is list and name in _LIST_METHODS:
            return self._list_method(owner, name, args, kwargs)
        if isinstance(owner, dict) and name in _DICT_CHANGES or isinstance(owner, set) and name in _SET_CHANGES:
            self.changes(owner)
            return function(*args, **kwargs)
        if isinstance(owner, (dict, str, bytes, tuple, set, frozenset, type)):
            found = self._native(function, args, kwargs)
            return self.context.created(found) if name == "copy" else found
        if not isinstance(owner, (int, float, complex, range)) and type(owner).__module__ in (
            "collections",
            "builtins",
        ):
            self.changes(owner)
        return self._native(function, args, kwargs)

    def _list_method(self, owner: list[Any], name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if name == "append":
            return self.append(owner, args[0])
        if name == "extend":
            return self.extend(owner, args[0])
        if name == "copy":
            return self.context.created(list(owner))
        if name not in ("index", "count"):
            self.changes(owner)
        if lists.has_segment(owner):
            owner[:] = lists.expanded(owner)
        return getattr(owner, name)(*args, **kwargs)

    def append(self, owner: list[Any], value: Any) -> None:
        self.changes(owner)
        owner.append(value)

    def extend(self, owner: list[Any], values: Any) -> None:
        self.changes(owner)
        owner.extend(list(values) if lists.has_segment(values) else self.iterate(values))

    def changes(self, owner: Any, key: Any = None) -> None:
        """A container is about to be changed: note what it holds.

        Raises:
            Unsupported: it outlives the call, which a graph cannot change, or it is of a kind that cannot be taken back.
        """
        if not self.context.is_created(owner):
            if not self.context.regions and self.frames and "site-packages" in self.frames[-1].code.co_filename:
                return  # a library's caches are its own business, as where its code is not interpreted
            raise Unsupported(
                f"a {type(owner).__name__} that was made outside the compiled function is changed",
                hint="return the new values, or copy it first",
                effect=True,
            )
        if type(owner) is list:
            self.context.journal.note(Place("list", owner))
        elif type(owner) is dict:
            existing = key is not None and key in owner
            self.context.journal.note(Place("item", owner, key) if existing else Place("dict", owner))
        elif type(owner) is set:
            self.context.journal.note(Place("set", owner))
        elif self.context.regions:
            raise Unsupported(
                f"a {type(owner).__name__} is changed in control flow that is compiled", hint="use a list or dict"
            )

    def set_attribute(self, owner: Any, name: str, value: Any) -> None:
        """`object.__setattr__(owner, name, value)`, until the trace ends."""
        self.changes_attribute(owner, name)
        self.context.journal.write(Place("attr", owner, name), value)

    def changes_attribute(self, owner: Any, name: str) -> None:
        """An attribute is about to be assigned."""
        if isinstance(owner, (type, types.ModuleType)) or not hasattr(owner, "__dict__"):
            raise Unsupported(f"an attribute of {owner!r} is assigned", effect=True)

    def writes(self, tensor: torch.Tensor) -> None:
        """`tensor` is about to be written to in place."""
        self.context.writes(tensor)

    # ---- iteration and attributes ----

    def iterate(self, value: Any) -> Iterator[Any]:
        """The items of `value`, one by one."""
        self.context.outer.whole(value)
        if isinstance(value, Segment):
            return iter(value.expand())
        if lists.has_segment(value):
            return iter(lists.expanded(value))
        if isinstance(value, Range) and isinstance(value.length, Scalar):
            raise Unsupported("a loop whose number of steps is only known at run time cannot be unrolled")
        if isinstance(value, Range):
            return iter([value.item(i) for i in range(value.length)])
        if isinstance(value, Scalar):
            raise TypeError(f"'{value.kind.__name__}' object is not iterable")
        return iter(value)


def _replaced() -> bool:
    """Whether somebody else than torch's tracer has put another `Module.__call__` there."""
    call = torch.nn.Module.__call__
    return getattr(call, "__wrapped__", call) is not _MODULE_CALL


def _hooks(module: torch.nn.Module) -> Iterator[dict[int, Any]]:
    """The registries of hooks that a call of `module` looks at."""
    for name in ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks"):
        yield getattr(module, name)
        yield getattr(torch.nn.modules.module, f"_global{name}")
