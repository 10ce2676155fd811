"""Statements of interpreted code."""

from __future__ import annotations

import ast
import contextlib
import importlib
import operator
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..layouts import reads_what_it_writes
from . import checked, indexing, lists, objects
from .branches import branch
from .errors import NotInterpretable, Unsupported
from .expressions import BINARY, IN_PLACE, Expressions, binary, plain, subscript
from .flow import NEXT, Flow
from .frame import Frame
from .journal import UNDEFINED, Place
from .loop_statements import LoopStatements
from .scalar import Scalar
from .sequence import in_sequence

if TYPE_CHECKING:
    from .interpreter import Interpreter

RETURN = "<return>"


class Statements(LoopStatements):
    """Runs the statements of one frame."""

    def __init__(self, interpreter: Interpreter, frame: Frame) -> None:
        self.interpreter, self.frame, self.context = interpreter, frame, interpreter.context
        self.expressions = Expressions(interpreter, frame)
        self.value = self.expressions.value

    def block(self, statements: list[ast.stmt]) -> Flow:
        """Run statements one after the other; returns where control goes after them."""

        def run(start: int) -> tuple[Flow, int]:
            for number in range(start, len(statements)):
                flow = self.statement(statements[number])
                if not (flow.certain and flow.goes_on):
                    return flow, number + 1
            return NEXT, len(statements)

        return in_sequence(self.context, run, len(statements), "what follows an if")

    def statement(self, node: ast.stmt) -> Flow:
        self.frame.line = node.lineno
        method = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            raise NotInterpretable(f"a statement {type(node).__name__}")
        try:
            return method(node) or NEXT
        except Unsupported as error:
            self.interpreter.locate(error)
            raise

    # ---- simple statements ----

    def _Expr(self, node: ast.Expr) -> None:
        self.value(node.value)

    def _Pass(self, node: ast.Pass) -> None:
        pass

    def _Global(self, node: ast.Global) -> None:
        pass

    def _Nonlocal(self, node: ast.Nonlocal) -> None:
        pass

    def _Break(self, node: ast.Break) -> Flow:
        return Flow.of("break")

    def _Continue(self, node: ast.Continue) -> Flow:
        return Flow.of("continue")

    def _Return(self, node: ast.Return) -> Flow:
        value = None if node.value is None else self.value(node.value)
        self.context.journal.write(Place("var", self.frame, RETURN), value)
        return Flow.of("return")

    def _Assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.assign(target, value)

    def _AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.value(node.value))

    def _AugAssign(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Name):
            old = self.value(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            self.assign(target, self._combined(node.op, old, self.value(node.value)))
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value)
            name = self.expressions._mangled(target.attr)
            old = self.interpreter.attribute(owner, name)
            new = self._combined(node.op, old, self.value(node.value))
            if isinstance(old, torch.Tensor) and new is self.context.swapped(old) and objects.is_plain(owner, name):
                return  # it was changed in place, and stays where it is
            objects.set_attribute(self.interpreter, owner, name, new)
        else:
            assert isinstance(target, ast.Subscript)
            owner, index = self.value(target.value), self.value(target.slice)
            old = subscript(self.interpreter, owner, index)
            self._set_item(
                owner, index, self._combined(node.op, old, self.value(node.value), isinstance(owner, torch.Tensor))
            )

    def _combined(self, op: ast.operator, old: Any, value: Any, in_tensor: bool = False) -> Any:
        """`old op= value`. Parts of tensors are not changed through a view: the result is stored into the whole anyway."""
        if in_tensor and isinstance(old, torch.Tensor) and self.context.regions:
            if isinstance(value, torch.Tensor) and reads_what_it_writes(old, value):
                raise Unsupported("an in-place update reads a view that overlaps what it writes to", effect=True)
            new = binary(self.interpreter, BINARY, op, old, value)
            if isinstance(new, torch.Tensor) and not torch.can_cast(new.dtype, old.dtype):
                raise RuntimeError(f"result type {new.dtype} can't be cast to the desired output type {old.dtype}")
            return new
        return in_place(self.interpreter, IN_PLACE[type(op)], old, value)

    def _Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.frame.store(target.id, UNDEFINED)
            elif isinstance(target, ast.Attribute):
                owner = self.value(target.value)
                objects.delete_attribute(self.interpreter, owner, self.expressions._mangled(target.attr))
            elif isinstance(target, ast.Subscript):
                owner, index = self.value(target.value), self.value(target.slice)
                self.interpreter.delete_item(owner, index)

    def _Assert(self, node: ast.Assert) -> None:
        test = self.expressions.test(node.test)
        if isinstance(test, Scalar):
            self.context.give_up(~test.tensor, "an assertion fails")
        elif not test:
            raise AssertionError(self.value(node.msg)) if node.msg is not None else AssertionError()

    def _Raise(self, node: ast.Raise) -> Flow:
        if self.context.regions:
            self.context.give_up(True, "an exception is raised")
            return Flow.of("raise")
        if node.exc is None:
            raise NotInterpretable("a bare raise")
        error = self.value(node.exc)
        if node.cause is not None:
            raise error from self.value(node.cause)
        raise error

    def _Import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = self._imported(alias.name)
            root = module if alias.asname else self._imported(alias.name.partition(".")[0])
            self.frame.store(alias.asname or alias.name.partition(".")[0], root)

    def _ImportFrom(self, node: ast.ImportFrom) -> None:
        package = self.frame.function.__globals__.get("__package__")
        module = self._imported("." * node.level + (node.module or ""), package)
        for alias in node.names:
            if alias.name == "*":
                raise NotInterpretable("import *")
            if self.interpreter.attributes.has(module, alias.name):
                value = self.interpreter.attribute(module, alias.name)
            else:
                value = self._imported(f"{module.__name__}.{alias.name}")
            self.frame.store(alias.asname or alias.name, value)

    def _imported(self, name: str, package: str | None = None) -> types.ModuleType:
        """The module of that name.

        Raises:
            Unsupported: there is none now; there may be one when the function is called again.
        """
        try:
            module = importlib.import_module(name, package)
        except ImportError as error:
            raise Unsupported(f"an import fails: {error}", hint="import it before the call", effect=True) from error
        self.context.outer.reads.item(sys.modules, module.__name__)
        return module

    def _FunctionDef(self, node: ast.FunctionDef) -> None:
        function = self.interpreter.define(node, self.frame)
        for decorator in reversed(node.decorator_list):
            function = self.interpreter.call(self.value(decorator), [function], {}, self.frame)
        self.frame.store(node.name, function)

    # ---- assignment ----

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.frame.store(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, value)
        elif isinstance(target, ast.Attribute):
            objects.set_attribute(
                self.interpreter, self.value(target.value), self.expressions._mangled(target.attr), value
            )
        elif isinstance(target, ast.Subscript):
            self._set_item(self.value(target.value), self.value(target.slice), value)
        else:
            raise NotInterpretable(f"an assignment to {type(target).__name__}")

    def _unpack(self, targets: list[ast.expr], value: Any) -> None:
        items = list(self.interpreter.iterate(value))
        star = next((i for i, t in enumerate(targets) if isinstance(t, ast.Starred)), None)
        if star is None:
            if len(items) != len(targets):
                many = "too many values" if len(items) > len(targets) else "not enough values"
                raise ValueError(f"{many} to unpack (expected {len(targets)}, got {len(items)})")
        else:
            after = len(targets) - star - 1
            if len(items) < star + after:
                raise ValueError(f"not enough values to unpack (expected at least {star + after}, got {len(items)})")
            items[star : len(items) - after] = [self.context.created(items[star : len(items) - after])]
        for target, item in zip(targets, items, strict=True):
            self.assign(target, item)

    def _set_item(self, owner: Any, index: Any, value: Any) -> None:
        if isinstance(owner, torch.Tensor):
            index = indexing.normal(index)
            if indexing.has_scalar(index):
                self.interpreter.writes(owner)
                indexing.set_(self.context, self.context.swapped(owner), index, plain(value))
            else:
                owner[index] = plain(value)
            return
        if lists.has_segment(owner):
            self.context.journal.note(Place("list", owner))
            owner[:] = lists.expanded(owner)
        if isinstance(index, Scalar):
            raise Unsupported(
                f"an item of a {type(owner).__name__} is assigned at a place that is only known at run time",
                hint="use a tensor",
            )
        self.interpreter.set_item(owner, index, value)

    # ---- if, with, try ----

    def _If(self, node: ast.If) -> Flow:
        test = self.expressions.test(node.test)
        if not isinstance(test, Scalar):
            return self.block(node.body if test else node.orelse)
        self.frame.line = node.lineno
        return branch(self.context, test, lambda: self.block(node.body), lambda: self.block(node.orelse))

    def _With(self, node: ast.With) -> Flow:
        with contextlib.ExitStack() as stack:
            for item in node.items:
                value = stack.enter_context(checked.managed(self.interpreter, self.value(item.context_expr)))
                if item.optional_vars is not None:
                    self.assign(item.optional_vars, value)
            return self.block(node.body)

    def _Try(self, node: ast.Try) -> Flow:
        if self.context.regions:
            raise Unsupported("try in control flow that is compiled", hint="move it out of the loop or branch")
        flow = NEXT
        try:
            try:
                flow = self.block(node.body)
            except Exception as error:
                handler = self._handler(node.handlers, error)
                if handler is None:
                    raise
                if handler.name:
                    self.frame.store(handler.name, error)
                flow = self.block(handler.body)
            else:
                if flow is NEXT:
                    flow = self.block(node.orelse)
        finally:
            last = self.block(node.finalbody)
        if not flow.certain and node.finalbody:
            raise Unsupported("finally after a return that is only taken at run time")
        return flow if last is NEXT else last

    def _handler(self, handlers: list[ast.ExceptHandler], error: Exception) -> ast.ExceptHandler | None:
        for handler in handlers:
            if handler.type is None or isinstance(error, self.value(handler.type)):
                return handler
        return None


def in_place(interpreter: Interpreter, function: Callable[[Any, Any], Any], old: Any, value: Any) -> Any:
    """`old op= value` for a name: the object itself where it is changed in place."""
    old, value = (old if type(old) is list else plain(old)), plain(value)
    if (found := objects.binary(interpreter, function, old, value)) is not NotImplemented:
        return found
    if isinstance(old, list) and function is operator.iadd:
        interpreter.extend(old, value)
        return old
    if isinstance(old, (torch.Tensor, Scalar)) or not hasattr(type(old), f"__{function.__name__}__"):
        return function(old, value)
    return interpreter.mutate(old, function, [old, value])
