"""Expressions of interpreted code. Everything that needs no run-time value is Python's own doing."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from . import indexing, lists, objects, purity, source, state_calls
from .branches import select
from .errors import NotInterpretable, Unsupported
from .frame import Frame
from .journal import UNDEFINED
from .lists import Segment
from .scalar import Scalar, is_number, to_bool

if TYPE_CHECKING:
    from .interpreter import Interpreter

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.MatMult: operator.matmul,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}  # fmt: skip
IN_PLACE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.iadd, ast.Sub: operator.isub, ast.Mult: operator.imul, ast.Div: operator.itruediv,
    ast.FloorDiv: operator.ifloordiv, ast.Mod: operator.imod, ast.Pow: operator.ipow, ast.MatMult: operator.imatmul,
    ast.LShift: operator.ilshift, ast.RShift: operator.irshift, ast.BitAnd: operator.iand, ast.BitOr: operator.ior,
    ast.BitXor: operator.ixor,
}  # fmt: skip
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Invert: operator.invert,
}  # fmt: skip


def is_run_time(value: Any) -> bool:
    """Whether Python's truth of `value` is only known at run time."""
    return isinstance(value, (torch.Tensor, Scalar))


def binary(
    interpreter: Interpreter, table: dict[type, Callable[[Any, Any], Any]], op: ast.operator, left: Any, right: Any
) -> Any:
    left, right = plain(left), plain(right)
    if (found := objects.binary(interpreter, table[type(op)], left, right)) is not NotImplemented:
        return found
    if isinstance(left, str) and isinstance(op, ast.Mod):
        _no_text(right)
    return table[type(op)](left, right)


def plain(value: Any) -> Any:
    """`value`; a list or tuple with segments as one of their items."""
    if lists.has_segment(value):
        return type(value)(lists.expanded(value))
    return value


def _no_text(value: Any) -> None:
    if is_run_time(value) or isinstance(value, tuple) and any(map(is_run_time, value)):
        raise Unsupported(
            "text is made of a value that is only known at run time",
            hint="make it outside the compiled function, or of constants",
        )


class Expressions:
    """Evaluates the expressions of one frame."""

    def __init__(self, interpreter: Interpreter, frame: Frame) -> None:
        self.interpreter, self.frame, self.context = interpreter, frame, interpreter.context

    def value(self, node: ast.expr) -> Any:
        self.frame.line = node.lineno
        method = getattr(self, f"_{type(node).__name__}", None)
        if method is None:
            raise NotInterpretable(f"an expression {type(node).__name__}")
        return method(node)

    def test(self, node: ast.expr) -> Any:
        """The truth of an expression: a bool, or a Scalar."""
        if isinstance(node, ast.BoolOp):
            return self._test_all(node.values, isinstance(node.op, ast.And))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            found = self.test(node.operand)
            return Scalar(bool, ~found.tensor) if isinstance(found, Scalar) else not found
        value = self.value(node)
        if is_run_time(value):
            return to_bool(value)
        if lists.has_segment(value):
            return lists.length(value) > 0
        self.context.outer.length(value)
        value = objects.truth(self.interpreter, value)
        return to_bool(value) if is_run_time(value) else bool(value)

    def _test_all(self, nodes: list[ast.expr], conjunction: bool) -> Any:
        first = self.test(nodes[0])
        if len(nodes) == 1:
            return first
        if not isinstance(first, Scalar):
            return self._test_all(nodes[1:], conjunction) if bool(first) is conjunction else first
        rest = lambda: self._test_all(nodes[1:], conjunction)  # noqa: E731
        if conjunction:
            return select(self.context, first, rest, lambda: False, "`and`")
        return select(self.context, first, lambda: True, rest, "`or`")

    # ---- names and constants ----

    def _Constant(self, node: ast.Constant) -> Any:
        return node.value

    def _Name(self, node: ast.Name) -> Any:
        value = self.frame.load(node.id)
        if value is UNDEFINED:
            if self.frame.is_local(node.id):
                raise UnboundLocalError(
                    f"cannot access local variable '{node.id}' where it is not associated with a value"
                )
            raise NameError(f"name '{node.id}' is not defined")
        return self.context.defined(value, node.id)

    def _NamedExpr(self, node: ast.NamedExpr) -> Any:
        value = self.value(node.value)
        self.interpreter.statements(self.frame).assign(node.target, value)
        return value

    # ---- operators ----

    def _BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        for value in (left, right):
            self.context.outer.argument(value)
        return binary(self.interpreter, BINARY, node.op, left, right)

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            return self.test(node)
        value = self.value(node.operand)
        found = objects.unary(self.interpreter, _UNARY[type(node.op)], value)
        return _UNARY[type(node.op)](value) if found is NotImplemented else found

    def _BoolOp(self, node: ast.BoolOp) -> Any:
        """The value of the first operand that decides, as Python has it."""
        conjunction = isinstance(node.op, ast.And)

        def from_(number: int) -> Any:
            value = self.value(node.values[number])
            if number == len(node.values) - 1:
                return value
            self.context.outer.length(value)
            truth = value if is_run_time(value) else objects.truth(self.interpreter, plain(value))
            truth = to_bool(truth) if is_run_time(truth) else bool(truth)
            if not isinstance(truth, Scalar):
                return from_(number + 1) if truth is conjunction else value
            rest = lambda: from_(number + 1)  # noqa: E731
            here = lambda: value  # noqa: E731
            return select(self.context, truth, *((rest, here) if conjunction else (here, rest)), "`and` or `or`")

        return from_(0)

    def _Compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)

        def from_(number: int, left: Any) -> Any:
            right = self.value(node.comparators[number])
            found = self._compare(node.ops[number], left, right)
            if number == len(node.ops) - 1:
                return found
            if not is_run_time(found):
                return from_(number + 1, right) if found else found
            return select(self.context, to_bool(found), lambda: from_(number + 1, right), lambda: found, "a comparison")

        return from_(0, left)

    def _compare(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        if not isinstance(op, (ast.Is, ast.IsNot)):
            for value in (left, right):
                self.context.outer.argument(value)
        if isinstance(op, (ast.In, ast.NotIn)):
            self.context.outer.identity(left)
            found = self._contains(left, plain(right))
            if isinstance(op, ast.In):
                return found
            return Scalar(bool, ~found.tensor) if isinstance(found, Scalar) else not found
        if isinstance(op, (ast.Is, ast.IsNot)):
            if isinstance(left, Scalar) and is_number(right) or isinstance(right, Scalar) and is_number(left):
                raise Unsupported("`is` compares a number that is only known at run time", hint="use ==")
            if left is not None and right is not None:
                self.context.check_identity(left)
                self.context.check_identity(right)
            self.context.outer.identity(left if right is not None else None)
            self.context.outer.identity(right if left is not None else None)
        left, right = plain(left), plain(right)
        found = objects.binary(self.interpreter, _COMPARE[type(op)], left, right)
        return _COMPARE[type(op)](left, right) if found is NotImplemented else found

    def _contains(self, item: Any, container: Any) -> Any:
        found = objects.special(self.interpreter, "__contains__", container, item)
        if found is not NotImplemented:
            return to_bool(found) if is_run_time(found) else bool(found)
        if (items := objects.items(self.interpreter, container)) is not None:
            container = list(items)
        elif purity.is_iterator(container):
            self.interpreter.takes(container)
        self.context.outer.whole(container)
        if not is_run_time(item) or isinstance(container, torch.Tensor):
            return item in container
        if isinstance(container, range) and isinstance(item, Scalar):
            inside = (item >= container[0]) & (item <= container[-1]) if len(container) else False
            step = container.step
            return inside & ((item - container.start) % step == 0) if abs(step) != 1 and inside is not False else inside
        found: Any = False
        for other in container:
            equal = to_bool(item == other)
            found = (
                equal if found is False else found | equal if isinstance(equal, Scalar) or found is not True else True
            )
        return found

    def _IfExp(self, node: ast.IfExp) -> Any:
        test = self.test(node.test)
        if not isinstance(test, Scalar):
            return self.value(node.body if test else node.orelse)
        return select(
            self.context,
            test,
            lambda: self.value(node.body),
            lambda: self.value(node.orelse),
            "a conditional expression",
        )

    # ---- attributes, items, calls ----

    def _Attribute(self, node: ast.Attribute) -> Any:
        return self.interpreter.attribute(self.value(node.value), self._mangled(node.attr))

    def _mangled(self, name: str) -> str:
        """Names of the form `__x` inside a class mean `_Class__x`."""
        class_ = self.frame.class_name
        return f"_{class_}{name}" if class_ and name.startswith("__") and not name.endswith("__") else name

    def _Subscript(self, node: ast.Subscript) -> Any:
        owner = self.value(node.value)
        return subscript(self.interpreter, owner, self.value(node.slice))

    def _Slice(self, node: ast.Slice) -> Any:
        return slice(*(None if part is None else self.value(part) for part in (node.lower, node.upper, node.step)))

    def _Call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        args = self._elements(node.args)
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            else:
                self.context.outer.whole(value)
                kwargs.update(value)
        self.frame.line = node.lineno
        return self.interpreter.call(function, args, kwargs, self.frame)

    def _elements(self, nodes: list[ast.expr]) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found.extend(self.interpreter.iterate(self.value(node.value)))
            else:
                found.append(self.value(node))
        return found

    # ---- displays ----

    def _Tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._elements(node.elts))

    def _List(self, node: ast.List) -> Any:
        return self.context.created(self._elements(node.elts))

    def _Set(self, node: ast.Set) -> Any:
        return self.context.created(set(self._elements(node.elts)))

    def _Dict(self, node: ast.Dict) -> Any:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                merged = self.value(value)
                self.context.outer.whole(merged)
                found.update(merged)
            else:
                found[self.value(key)] = self.value(value)
        return self.context.created(found)

    def _JoinedStr(self, node: ast.JoinedStr) -> Any:
        return "".join([str(self.value(part)) for part in node.values])

    def _FormattedValue(self, node: ast.FormattedValue) -> Any:
        value = self.value(node.value)
        if (convert := {115: str, 114: repr, 97: ascii}.get(node.conversion)) is not None:
            value = self.interpreter.call(convert, [value], {}, self.frame)
        spec = self.value(node.format_spec) if node.format_spec is not None else ""
        return self.interpreter.call(format, [value, spec], {}, self.frame)

    # ---- functions and comprehensions ----

    def _Lambda(self, node: ast.Lambda) -> Any:
        return self.interpreter.define(node, self.frame)

    def _ListComp(self, node: ast.ListComp) -> Any:
        found = self.context.created([])
        self._comprehend(node, lambda frame: self.interpreter.append(found, frame.value(node.elt)))
        return found

    def _SetComp(self, node: ast.SetComp) -> Any:
        found: Any = self.context.created(set())
        self._comprehend(node, lambda frame: found.add(frame.value(node.elt)), unroll=True)
        return found

    def _DictComp(self, node: ast.DictComp) -> Any:
        found: Any = self.context.created({})

        def add(inner: Expressions) -> None:
            key = inner.value(node.key)
            found[key] = inner.value(node.value)

        self._comprehend(node, add, unroll=True)
        return found

    def _GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        # Whoever takes it takes all of it, or stops where nothing more happens.
        found = self._ListComp(ast.copy_location(ast.ListComp(node.elt, node.generators), node))
        return found if lists.has_segment(found) else self.context.created(iter(found))

    def _comprehend(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp,
        element: Callable[[Expressions], None],
        unroll: bool = False,
    ) -> None:
        generators = node.generators
        frame = self.frame.inner(source.captured_targets(node))
        statements = self.interpreter.statements(frame)
        inner = statements.expressions

        def level(number: int) -> None:
            if number == len(generators):
                element(inner)
                return
            generator = generators[number]
            iterable = (self if number == 0 else inner).value(generator.iter)

            def step() -> None:
                for condition in generator.ifs:
                    test = inner.test(condition)
                    if isinstance(test, Scalar):
                        raise Unsupported(
                            "a comprehension with a condition that is only known at run time", hint="use a mask"
                        )
                    if not test:
                        return
                level(number + 1)

            statements.comprehension(generator.target, iterable, step, unroll)

        level(0)


def subscript(interpreter: Interpreter, owner: Any, index: Any) -> Any:
    """`owner[index]`."""
    if isinstance(owner, (list, tuple, str, bytes, range)) and (of := objects.method(index, "__index__")) is not None:
        interpreter.context.outer.class_attribute(type(index), "__index__")
        index = interpreter.call(of, [index], {}, None)
    if (number := state_calls.reads_item(interpreter, owner, index)) is not None:
        return number
    if isinstance(owner, torch.Tensor):
        index = indexing.normal(index)
        if indexing.has_scalar(index):
            return indexing.get(interpreter.context, owner, index)
        return owner[index]
    if isinstance(index, torch.Tensor) and type(owner) in (list, tuple):
        index = indexing.normal(index)
    if (found := objects.special(interpreter, "__getitem__", owner, index)) is not NotImplemented:
        return found
    if lists.has_segment(owner):
        if isinstance(index, int) and not isinstance(index, bool):
            return lists.item(owner, index)
        if isinstance(index, Scalar) and len(owner) == 1 and isinstance(owner[0], Segment):
            count = owner[0].length
            if isinstance(count, Scalar):
                if isinstance(index - count, int):
                    return owner[0].item(index)
                raise Unsupported("an item at a run-time place of a list that the loop still appends to")
            return owner[0].item(interpreter.context.checked_index(index, count))
        owner = plain(owner)
    if isinstance(index, Scalar):
        return _sequence_item(interpreter, owner, index)
    return owner[index]


def _sequence_item(interpreter: Interpreter, owner: Any, index: Scalar) -> Any:
    """An item of a list or tuple of tensors of one type, or of numbers, at a run-time place."""
    if isinstance(owner, range):
        checked = interpreter.context.checked_index(index, len(owner))
        return owner.start + checked * owner.step
    if type(owner) in (list, tuple) and owner:
        if all(type(v) in (int, float, bool) and type(v) is type(owner[0]) for v in owner):
            row = interpreter.context.row(
                torch.tensor(owner, dtype={int: torch.int64, float: torch.float64, bool: torch.bool}[type(owner[0])]),
                index,
            )
            interval = (min(owner), max(owner)) if type(owner[0]) is int else (-float("inf"), float("inf"))
            return Scalar(type(owner[0]), row, interval)
        if all(isinstance(v, torch.Tensor) and (v.shape, v.dtype) == (owner[0].shape, owner[0].dtype) for v in owner):
            return interpreter.context.row(torch.stack(list(owner)), index)
    raise Unsupported(
        f"a {type(owner).__name__} is indexed by a number that is only known at run time",
        hint="index a tensor instead, or loop with jic.unroll(...)",
    )
