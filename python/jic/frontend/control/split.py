"""A function in three at one of its loops: what comes before it, the loop, and what comes after.

    def f(x):                       before(x):            loop(y, n):                 after(y):
        y = x * 2                     y = x * 2             while …:                    return y + 1
        n = 0                         n = 0                     print(n); …
        while …:              ->      return "bound",       return "bound", locals()
            print(n); …                 {"y": y, "n": n}
        return y + 1

So a loop that cannot be compiled runs as it is, and the rest is compiled. A part that returns from `f` gives
`"returned", value`.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import source
from .errors import NotInterpretable

BOUND, RETURNED = "bound", "returned"
_LOOKS_AT_ITS_FRAME = frozenset({"locals", "vars", "eval", "exec", "super", "dir"})


@dataclass(frozen=True)
class Split:
    """A function, split at its statement number `at`, which is a loop.

    Attributes:
        names: the local variables that the loop or what follows may use and that are assigned before the loop.
        passed: the parameters that they may use and that are not assigned before.
        fresh: those of `names` that are a new list or dict which nothing before the loop has seen.
        assigned: the local variables that the loop assigns.
        receiver: the first parameter if the function is a method's, which all parts take first; else ''.
    """

    function: types.FunctionType
    node: ast.FunctionDef
    at: int
    names: tuple[str, ...]
    passed: tuple[str, ...]
    fresh: frozenset[str]
    assigned: frozenset[str]
    receiver: str

    @property
    def line(self) -> int:
        return self.node.body[self.at].lineno

    def before(self) -> types.FunctionType:
        """Takes what the function takes."""
        keys: list[ast.expr | None] = [ast.Constant(n) for n in self.names]
        state = ast.Dict(keys, [ast.Name(n, ast.Load()) for n in self.names])
        body = [*_tagged(self.node.body[: self.at]), _give(BOUND, state)]
        return self._made(copy.deepcopy(self.node.args), body, self.function.__defaults__, self.function.__kwdefaults__)

    def loop(self) -> types.FunctionType:
        """Takes `names` and `passed` as keyword arguments."""
        variables = ast.Call(ast.Name("locals", ast.Load()), [], [])
        return self._made(
            self._keywords((*self.names, *self.passed)), [*_tagged([self.node.body[self.at]]), _give(BOUND, variables)]
        )

    def after(self, bound: Sequence[str], numbers: Iterable[str] = ()) -> types.FunctionType:
        """Takes the variables `bound`, which are all that are, as keyword arguments; `numbers` among them are 0-d tensors."""
        rest = copy.deepcopy(self.node.body[self.at + 1 :])
        prologue: list[ast.stmt] = [
            ast.Assign([ast.Name(n, ast.Store())], _call_method(ast.Name(n, ast.Load()), "item")) for n in numbers
        ]
        return self._made(self._keywords(bound), [*prologue, *rest] or [ast.Pass()])

    def uses_after(self) -> set[str]:
        """The names that what follows the loop reads."""
        return _loaded(self.node.body[self.at + 1 :]) - {self.receiver}

    def used_in_loop(self) -> set[str]:
        loop = [self.node.body[self.at]]
        return _loaded(loop) | _stored(loop)

    def _keywords(self, names: Sequence[str]) -> ast.arguments:
        first = [ast.arg(self.receiver)] if self.receiver else []
        return ast.arguments([], first, None, [ast.arg(n) for n in names], [None] * len(names), None, [])

    def _made(
        self, args: ast.arguments, body: list[ast.stmt], defaults: object = None, named: object = None
    ) -> types.FunctionType:
        """A function of the same name, file, globals and closure."""
        old = self.function
        for a in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if a is not None:
                a.annotation = None
        args.defaults = [ast.Constant(None)] * len(args.defaults)
        args.kw_defaults = [d and ast.Constant(None) for d in args.kw_defaults]
        missing = (_stored(self.node.body) | set(_parameters(self.node.args))) - _stored(body) - set(_parameters(args))
        if missing:  # they stay local, and unbound
            never = [ast.Assign([ast.Name(n, ast.Store())], ast.Constant(None)) for n in sorted(missing)]
            body = [ast.If(ast.Constant(False), never, []), *body]
        node = _function(old.__name__, args, body)
        first = self.node.body[0]
        for inner in ast.walk(node):
            if not hasattr(inner, "lineno"):
                ast.copy_location(inner, first)
        free = ast.arguments([], [ast.arg(n) for n in old.__code__.co_freevars], None, [], [], None, [])
        outer = _function("outer", free, [node])
        module = ast.fix_missing_locations(ast.copy_location(ast.Module([outer], []), first))
        flags = old.__code__.co_flags & 0x1000000  # from __future__ import annotations
        code = compile(module, old.__code__.co_filename, "exec", flags, dont_inherit=True)
        for _ in range(2):
            code = next(c for c in code.co_consts if isinstance(c, types.CodeType))
        cells = dict(zip(old.__code__.co_freevars, old.__closure__ or (), strict=True))
        made = types.FunctionType(code, old.__globals__, old.__name__, None, tuple(cells[n] for n in code.co_freevars))
        made.__defaults__, made.__kwdefaults__ = defaults, named  # type: ignore[assignment]
        made.__module__, made.__qualname__ = old.__module__, old.__qualname__
        source.give(code, node)
        return made


def split_at(function: types.FunctionType, line: int, receiver: bool = False) -> Split | None:
    """`function` split at the loop in its own body that holds `line`; None if it has none, or cannot be taken apart.

    It cannot if inner functions share its variables, it looks at its own frame, or a variable may or may not be bound where
    the loop begins. With `receiver` the first parameter is bound already.
    """
    try:
        node = source.syntax_of(function.__code__)
    except NotInterpretable:
        return None
    code = function.__code__
    if not isinstance(node, ast.FunctionDef) or code.co_cellvars or "__class__" in code.co_freevars:
        return None
    loops = (i for i, s in enumerate(node.body) if isinstance(s, (ast.For, ast.While)) and _holds(s, line))
    at = next(loops, None)
    if at is None or not _has_work([*node.body[:at], *node.body[at + 1 :]]):
        return None
    for inner in ast.walk(node):
        if (
            isinstance(inner, (ast.Global, ast.Nonlocal, ast.FunctionDef, ast.ClassDef, ast.NamedExpr))
            and inner is not node
        ):
            return None
        if isinstance(inner, ast.Name) and (inner.id in _LOOKS_AT_ITS_FRAME or _is_mangled(inner.id)):
            return None
        if isinstance(inner, ast.Attribute) and _is_mangled(inner.attr):
            return None
    parameters = _parameters(node.args)
    before, loop = node.body[:at], [node.body[at]]
    bound = set(parameters) | _surely_stored(before)
    used = (_loaded(node.body[at:]) | _stored(loop)) & (_stored(node.body) | set(parameters))
    maybe = (_stored(before) - bound) & used
    if maybe or any(isinstance(n, ast.Delete) for s in node.body for n in ast.walk(s)):
        return None
    own = parameters[0] if receiver else ""
    if own in _stored(node.body):
        return None
    assigned = _stored(before)
    names = sorted((used & bound & assigned) - {own})
    passed = sorted((used & bound) - assigned - {own})
    fresh = frozenset(n for n in names if _is_fresh(n, before))
    return Split(function, node, at, tuple(names), tuple(passed), fresh, frozenset(_stored(loop)), own)


def _is_fresh(name: str, statements: list[ast.stmt]) -> bool:
    """Whether `name` is assigned once, a display of a list or dict, and not read."""
    if name in _loaded(statements):
        return False
    makers = [s for s in statements if name in _stored([s])]
    return len(makers) == 1 and isinstance(makers[0], ast.Assign) and isinstance(makers[0].value, (ast.List, ast.Dict))


def _holds(statement: ast.stmt, line: int) -> bool:
    return statement.lineno <= line <= (statement.end_lineno or statement.lineno)


def _is_mangled(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _has_work(statements: list[ast.stmt]) -> bool:
    """Whether there is anything to compile."""
    return any(isinstance(n, (ast.Call, ast.BinOp)) for s in statements for n in ast.walk(s))


def _parameters(a: ast.arguments) -> list[str]:
    return [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if x is not None]


def _names(statements: list[ast.stmt], context: type) -> set[str]:
    """The names that are read or assigned, but for the targets of comprehensions, which are theirs."""
    found: set[str] = set()
    pending: list[ast.AST] = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, context):
            found.add(node.id)
        inner = list(ast.iter_child_nodes(node))
        pending += [n for n in inner if not (isinstance(node, ast.comprehension) and n is node.target)]
    return found


def _loaded(statements: list[ast.stmt]) -> set[str]:
    """Names that are read; `x += 1` reads `x`."""
    changed = {
        n.target.id
        for s in statements
        for n in ast.walk(s)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }
    return _names(statements, ast.Load) | changed


def _stored(statements: list[ast.stmt]) -> set[str]:
    found = _names(statements, ast.Store)
    for s in statements:
        for n in ast.walk(s):
            if isinstance(n, ast.ExceptHandler) and n.name:
                found.add(n.name)
            elif isinstance(n, (ast.Import, ast.ImportFrom)):
                found |= {(a.asname or a.name).partition(".")[0] for a in n.names}
    return found


def _surely_stored(statements: list[ast.stmt]) -> set[str]:
    """Names that are bound after `statements`, whatever way they take."""
    found: set[str] = set()
    for s in statements:
        declared = isinstance(s, ast.AnnAssign) and s.value is None
        if isinstance(s, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Import, ast.ImportFrom)) and not declared:
            found |= _stored([s])
        elif isinstance(s, ast.If):
            found |= _surely_stored(s.body) & _surely_stored(s.orelse)
        elif isinstance(s, ast.With):
            found |= _surely_stored(s.body)
    return found


def _tagged(statements: list[ast.stmt]) -> list[ast.stmt]:
    return [_Returns().visit(copy.deepcopy(s)) for s in statements]


class _Returns(ast.NodeTransformer):
    def visit_Return(self, node: ast.Return) -> ast.stmt:
        return ast.copy_location(_give(RETURNED, node.value or ast.Constant(None)), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        return node


def _function(name: str, args: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    node = ast.FunctionDef(name, args, body, [], None)
    if "type_params" in node._fields:  # from Python 3.12 on
        node.type_params = []  # type: ignore[attr-defined]
    return node


def _give(tag: str, value: ast.expr) -> ast.Return:
    return ast.Return(ast.Tuple([ast.Constant(tag), value], ast.Load()))


def _call_method(value: ast.expr, name: str) -> ast.Call:
    return ast.Call(ast.Attribute(value, name, ast.Load()), [], [])
