"""`for` and `while` of interpreted code, and comprehensions: as one loop op, or step by step."""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .branches import branch
from .context import Context
from .errors import Unsupported
from .expressions import Expressions
from .flow import NEXT, Flow
from .frame import Frame
from .iteration import Iterable, Unroll, Unrolled, iterable_of
from .loops import Loop, Unstable
from .scalar import Scalar
from .sequence import in_sequence

if TYPE_CHECKING:
    from .interpreter import Interpreter

_UNROLLED_NUMBERS = 4096  # steps of a loop over numbers alone that Python may take while tracing
_REST = "the rest of a loop"
_END = object()


class LoopStatements:
    """The part of `Statements` that runs loops."""

    interpreter: Interpreter
    frame: Frame
    context: Context
    expressions: Expressions
    value: Callable[[ast.expr], Any]

    def block(self, statements: list[ast.stmt]) -> Flow:
        raise AssertionError("Statements has it")

    def assign(self, target: ast.expr, value: Any) -> None:
        raise AssertionError("Statements has it")

    def _For(self, node: ast.For) -> Flow:
        source = self.value(node.iter)
        self.frame.line = node.lineno
        iterable = iterable_of(self.context, source)
        line = node.lineno

        def step() -> Flow:
            return self.block(node.body)

        stored = {
            n.id for s in node.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        flow = self._loop(node.target, iterable, source, step, f"the loop at line {line}", stored)
        return self._after_loop(flow, node.orelse)

    def comprehension(self, target: ast.expr, iterable: Any, step: Callable[[], None], unroll: bool) -> None:
        """Run `step` for each item of `iterable`."""
        found = None if unroll else iterable_of(self.context, iterable)

        def body() -> Flow:
            step()
            return NEXT

        self._loop(target, found, iterable, body, f"the comprehension at line {self.frame.line}", set())

    def _after_loop(self, flow: Flow, orelse: list[ast.stmt]) -> Flow:
        if orelse:
            if "break" not in flow.kinds:
                if flow is NEXT:
                    return self.block(orelse)
                assert isinstance(flow.code, Scalar)
                goes_on = Scalar(bool, flow.code.tensor == 0)
                return branch(self.context, goes_on, lambda: self.block(orelse), lambda: flow)
            if isinstance(flow.code, Scalar):
                finished = Scalar(bool, flow.code.tensor == 0)
                left = flow.without("break")
                return branch(self.context, finished, lambda: self.block(orelse), lambda: left)
        return flow.without("break")

    def _loop(
        self,
        target: ast.expr,
        iterable: Iterable | None,
        source: Any,
        step: Callable[[], Flow],
        what: str,
        stored: set[str],
    ) -> Flow:
        """The flow after a `for` loop, in which `break` is still a break."""
        why: str | None = None
        if iterable is not None and (iterable.forced or not isinstance(iterable.length, int) or iterable.length > 2):
            mark = self.context.journal.mark, self.context.mark()
            try:
                try:
                    return self._compiled_loop(target, iterable, 0, step, what, stored, True)
                except Unrolled:
                    self._forget(mark)
                flow = self._python_only(target, source, step, mark)
                if flow is not None:
                    return flow
                return self._compiled_loop(target, iterable, 0, step, what, stored, True, numbers=True)
            except Unsupported as error:
                self.interpreter.locate(error)
                if iterable.forced or not isinstance(iterable.length, int) or error.effect:
                    raise
                self._forget(mark)
                why = self.interpreter.note_unrolled(what, error)
        if why is None and (isinstance(source, Unroll) or iterable is not None):  # as asked for, or very short
            return self._unrolled_loop(target, source, step)
        with self.context.unrolling.loop(self.frame.location, why):
            return self._unrolled_loop(target, source, step)

    def _compiled_loop(
        self,
        target: ast.expr,
        iterable: Iterable,
        start: int,
        step: Callable[[], Flow],
        what: str,
        stored: set[str],
        peel: bool,
        numbers: bool = False,
    ) -> Flow:
        """One loop op for items from `start` on."""
        count = iterable.length - start
        if isinstance(count, int) and count <= 0:
            return NEXT
        names = _plain_names(target)
        counted = isinstance(count, int)
        owned = names if counted and not names & stored else set()

        def body(number: Any) -> Flow:
            self.assign(target, iterable.item(number + start))
            return step()

        targets = frozenset(self.frame.place(n) for n in owned)
        loop = Loop(self.context, body, count, what=what, targets=targets)
        line, mark = self.frame.line, (self.context.journal.mark, self.context.mark())
        try:
            flow = loop.trace()
        except Unstable as error:
            self.frame.line = line
            if not (peel and counted):
                raise
            return self._peeled(target, iterable, start, step, what, stored, error)
        except Unsupported:
            self.frame.line = line
            raise
        if loop.only_numbers and counted and count <= _UNROLLED_NUMBERS and not (iterable.forced or numbers):
            raise Unrolled
        if owned and counted:
            if flow is not NEXT:
                # left early: the target is what it was then; trace again with it carried
                self._forget(mark)
                return self._compiled_loop(target, iterable, start, step, what, names, peel, numbers)
            self.assign(target, iterable.item(iterable.length - 1))
        return flow

    def _peeled(
        self, target: ast.expr, iterable: Iterable, start: int, step: Any, what: str, stored: set[str], error: Unstable
    ) -> Flow:
        """The first step by itself, then the loop over the others."""
        self.assign(target, iterable.item(start))
        flow = step().without("continue")
        if flow is not NEXT:
            raise error
        return self._compiled_loop(target, iterable, start + 1, step, what, stored, start == 0)

    def _forget(self, mark: tuple[int, Any]) -> None:
        self.context.journal.undo(mark[0])
        self.context.erase(mark[1])

    def _python_only(
        self, target: ast.expr, source: Any, step: Callable[[], Flow], mark: tuple[int, Any]
    ) -> Flow | None:
        """Take the steps of a loop over numbers; None, and nothing done, if they turn out to depend on tensors."""
        for item in self.interpreter.iterate(source):
            self.assign(target, item)
            flow = step().without("continue")
            if not flow.certain or self.context.mark() is not mark[1]:
                self._forget(mark)
                return None
            if flow is not NEXT:
                return flow
        return NEXT

    def _unrolled_loop(self, target: ast.expr, source: Any, step: Callable[[], Flow]) -> Flow:
        items: list[Any] = []
        waiting = iter(self.interpreter.iterate(source))

        def run(start: int) -> tuple[Flow, int]:
            for number in itertools.count(start):
                if number == len(items):  # the first piece takes the items one by one, as Python does
                    item = next(waiting, _END)
                    if item is _END:
                        return NEXT, sys.maxsize
                    items.append(item)
                self.assign(target, items[number])
                flow = step().without("continue")
                if flow is not NEXT:
                    if not flow.certain and flow.goes_on:
                        items.extend(waiting)
                    return flow, number + 1 if number + 1 < len(items) else sys.maxsize
            raise AssertionError

        return in_sequence(self.context, run, sys.maxsize, _REST)

    def _While(self, node: ast.While) -> Flow:
        what = f"the loop at line {node.lineno}"
        first_line = node.lineno

        def test() -> Any:
            self.frame.line = first_line
            return self.expressions.test(node.test)

        def step() -> Flow:
            return self.block(node.body)

        def compiled() -> Flow:
            loop = Loop(self.context, lambda number: step(), test=test, what=what)
            try:
                flow = loop.trace()
            except Unsupported:
                self.frame.line = first_line
                raise
            if loop.only_numbers and not accept_numbers:
                raise Unrolled
            return flow

        mark = self.context.journal.mark, self.context.mark()
        accept_numbers = False
        first = test()
        if first is False:
            return self._after_loop(NEXT, node.orelse)
        self._forget(mark)
        accept_numbers = isinstance(first, Scalar)
        try:
            try:
                return self._after_loop(compiled(), node.orelse)
            except Unrolled:
                self._forget(mark)
            flow = self._python_only_while(test, step, mark)
            if flow is None:
                accept_numbers = True
                flow = compiled()
            return self._after_loop(flow, node.orelse)
        except Unsupported as error:
            self.interpreter.locate(error)
            if isinstance(first, Scalar) or error.effect:
                raise
            self._forget(mark)
            why = self.interpreter.note_unrolled(what, error)
        # The condition is Python's own so far: take the steps one by one.
        self.frame.line = first_line
        with self.context.unrolling.loop(self.frame.location, why):
            flow = self._unrolled_while(test, step, what)
        return self._after_loop(flow, node.orelse)

    def _python_only_while(
        self, test: Callable[[], Any], step: Callable[[], Flow], mark: tuple[int, Any]
    ) -> Flow | None:
        """As `_python_only`; None also where there are very many steps."""
        for _ in range(_UNROLLED_NUMBERS):
            if test() is False:
                return NEXT
            flow = step().without("continue")
            if not flow.certain or self.context.mark() is not mark[1]:
                break
            if flow is not NEXT:
                return flow
        self._forget(mark)
        return None

    def _unrolled_while(self, test: Callable[[], Any], step: Callable[[], Flow], what: str) -> Flow:
        def run(start: int) -> tuple[Flow, int]:
            while True:
                found = test()
                if isinstance(found, Scalar):
                    return Loop(self.context, lambda number: step(), test=test, what=what).trace(), sys.maxsize
                if not found:
                    return NEXT, sys.maxsize
                self.context.count_call()
                flow = step().without("continue")
                if flow is not NEXT:
                    return flow, 0

        return in_sequence(self.context, run, sys.maxsize, _REST)


def _plain_names(target: ast.expr) -> set[str]:
    """The variables of a loop target made of names and tuples; nothing for other targets."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, (ast.Tuple, ast.List)):
        parts = [_plain_names(t) for t in target.elts]
        return set().union(*parts) if all(parts) else set()
    return set()
