"""Interprets Python functions while they are traced: statements, calls, and what calls of other code need.

Functions of the user's are interpreted, with everything they call that is written in Python and is not torch's or the
standard library's; other functions run as they are. So does a function without source, or with statements that are left
to Python.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .. import locations
from . import library, lists, module_hooks, objects, purity, source, torch_functions
from .attributes import Attributes
from .calls import Calls
from .context import Context
from .errors import Again, NotInterpretable, Unsupported
from .expressions import plain
from .frame import Frame
from .iteration import Range, Rows, Unroll, Wrapped
from .journal import UNDEFINED, Place
from .lists import Segment
from .scalar import Scalar, tracing
from .statements import RETURN, Statements

_SEQUENTIAL = torch.nn.Sequential.forward.__code__


class Interpreter(Calls):
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
        self.result: Any = None  # of the function, before it left interpreted code
        self.gradients_needed: Callable[[], bool] = lambda: False
        self.leaves_to_python = False  # whether a function of the user's ran as it is
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
            self.result = self.call(function, list(args), kwargs, None)
            result = self.escaping(self.result, {}, ends=True)
            if self.context.tokens:
                raise Unsupported("a context variable is set for what comes after the call", effect=True)
            last = [*self.context.switches.values()][-1:]
            if last and not (self.gradients_needed() and last[0].mode):  # then they are as they were before
                raise Unsupported("torch.set_grad_enabled() is called for what comes after the call", effect=True)
            self.context.finish()
        except Unsupported as error:
            self.locate(error)
            raise
        finally:
            tracing.context = before
            for token in reversed(self.context.tokens):
                token.var.reset(token)
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
            items = [self.escaping(v, made, ends) for v in lists.expanded(value, apart=ends, kept=True)]
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

    # ---- functions ----

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
        code = source.inner_code(frame.code, node)
        cells = {name: frame.cell(name) for name in code.co_freevars}
        if missing := [name for name, cell in cells.items() if cell is None]:
            raise NotInterpretable(f"the variable {missing[0]} of an inner function is not found")
        evaluate = self.statements(frame).value
        defaults = tuple(evaluate(d) for d in node.args.defaults)
        keywords = {
            a.arg: evaluate(d)
            for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if d is not None
        }
        made = types.FunctionType(
            code, frame.function.__globals__, code.co_name, defaults or None, tuple(cells.values())
        )
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
        hooked = False
        for hooks in module_hooks.registries(module):
            if outer.has(module):
                outer.whole(hooks)
            hooked = hooked or bool(hooks)
        called = outer.class_attribute(type(module), "__call__")
        if (method := objects.method(module, "__call__")) is not None:
            return self.call(method, [module, *args], kwargs, caller)
        if called is not torch.nn.Module.__call__:
            return self._unseen(module, args, kwargs)
        if hooked:
            return module_hooks.call(self, module, args, kwargs, caller)
        return self.module_forward(module, args, kwargs, caller)

    def module_forward(
        self, module: torch.nn.Module, args: list[Any], kwargs: dict[str, Any], caller: Frame | None
    ) -> Any:
        """The result of a module without its hooks."""
        layer = library.find_module(module)
        if layer is not None and args and isinstance(args[0], torch.Tensor):
            return self.call(layer, [module, *args], kwargs, caller)
        forward = self.attribute(module, "forward")
        function = getattr(forward, "__func__", forward)
        code = getattr(function, "__code__", None)
        if type(module) is torch.nn.Sequential and code is _SEQUENTIAL:
            value = args[0]
            for child in self.iterate(self.attribute(module, "_modules").values()):
                value = self.call(child, [value], {}, caller)
            return value
        if code is None:
            return self.call(forward, args, kwargs, caller)
        decorated = torch_functions.decorated(function) is not None  # as by torch.no_grad()
        if not decorated and not locations.is_users(code.co_filename):
            self.context.outer.everything(module)
            return self._unseen(forward, args, kwargs)
        return self.call(forward, args, kwargs, caller)

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
        if (found := objects.items(self, value)) is not None:
            return found
        if purity.is_iterator(value):
            self.takes(value)
        return self.context.created(iter(value))
