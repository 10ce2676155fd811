"""The syntax tree of a Python function, found through its code object."""

from __future__ import annotations

import ast
import functools
import linecache
import types
from collections.abc import Iterator

from .. import locations
from .errors import NotInterpretable

FunctionNode = ast.FunctionDef | ast.Lambda
# Code with these runs as it is: the interpreter leaves such functions to Python.
_LEFT_TO_PYTHON = (
    *(ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef),
    *(ast.ClassDef, ast.Match, ast.TryStar),
)


@functools.lru_cache(maxsize=512)
def _functions(path: str, stamp: int) -> dict[tuple[str, int], list[FunctionNode]]:
    """The functions of a file by name and first line, which for decorated ones is the first decorator's."""
    text = "".join(linecache.getlines(path))
    found: dict[tuple[str, int], list[FunctionNode]] = {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise NotInterpretable(f"the source in {path} does not parse") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            found.setdefault(("<lambda>", node.lineno), []).append(node)
        elif isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found.setdefault((node.name, first), []).append(node)
    return found


def _changed(code: types.CodeType, stamp: int) -> set[tuple[str, int]]:
    """The name and line of `code` if the file now holds other instructions there."""
    now = _compiled(code.co_filename, stamp).get((code.co_name, code.co_firstlineno), [])
    # Test runners rewrite assertions as they load a file, so functions that hold some differ.
    same = any(c.co_code == code.co_code and c.co_names == code.co_names for c in now)
    rewritten = any("@pytest_ar" in name or "@py_" in name for name in (*code.co_names, *code.co_varnames))
    return set() if same or rewritten else {(code.co_name, code.co_firstlineno)}


@functools.lru_cache(maxsize=512)
def _compiled(path: str, stamp: int) -> dict[tuple[str, int], list[types.CodeType]]:
    """The code objects that a file compiles to, by name and first line."""
    found: dict[tuple[str, int], list[types.CodeType]] = {}
    try:
        pending = [compile("".join(linecache.getlines(path)), path, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return found
    while pending:
        code = pending.pop()
        found.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        pending += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return found


_given: dict[types.CodeType, FunctionNode] = {}


def give(code: types.CodeType, node: FunctionNode) -> None:
    """`node` is what `code` was compiled from, although its file holds something else."""
    _given[code] = node


def syntax_of(code: types.CodeType) -> FunctionNode:
    """The syntax tree of the function that runs `code`.

    Raises:
        NotInterpretable: no source (REPL, `exec`), a generator or coroutine, source that has changed, or statements that
            the interpreter leaves to Python.
    """
    return _given[code] if code in _given else _syntax_in_file(code)


@functools.lru_cache(maxsize=4096)
def _syntax_in_file(code: types.CodeType) -> FunctionNode:
    if code.co_flags & 0x2A0:  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
        raise NotInterpretable("a generator or coroutine")
    found = node_of(code)
    for node in own_nodes(found):
        if isinstance(node, _LEFT_TO_PYTHON):
            raise NotInterpretable(f"it holds {_name_of(node)}")
    return found


def is_users(code: types.CodeType) -> bool:
    """Whether `code` is neither torch's, jic's nor the standard library's."""
    return locations.is_users(code.co_filename)


@functools.lru_cache(maxsize=4096)
def node_of(code: types.CodeType) -> FunctionNode:
    """The syntax tree of the function that runs `code`, whatever it holds.

    Raises:
        NotInterpretable: its source is not known.
    """
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise NotInterpretable("its source is not available")
    candidates = _functions(code.co_filename, hash(tuple(lines))).get((code.co_name, code.co_firstlineno), [])
    if (code.co_name, code.co_firstlineno) in _changed(code, hash(tuple(lines))):
        candidates = []
    matching = [node for node in candidates if _parameters(node) == code.co_varnames[: _parameter_count(code)]]
    if len(matching) > 1:
        matching = [node for node in matching if _covers(node, code)]
    if len(matching) != 1:
        raise NotInterpretable("its source is not available, or has changed since it was loaded")
    return matching[0]


def _name_of(node: ast.AST) -> str:
    names = {ast.ClassDef: "a class definition", ast.Match: "a match statement"}
    return names.get(type(node), type(node).__name__)


def own_nodes(function: FunctionNode) -> Iterator[ast.AST]:
    """The nodes of the function's body, without those of functions inside it."""
    pending: list[ast.AST] = list(function.body) if isinstance(function, ast.FunctionDef) else [function.body]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(node))


def captured_targets(node: ast.ListComp | ast.SetComp | ast.DictComp) -> set[str]:
    """The variables of a comprehension that functions inside it name."""
    targets = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
    inner = [n for n in ast.walk(node) if isinstance(n, ast.Lambda)]
    return {n.id for function in inner for n in ast.walk(function) if isinstance(n, ast.Name)} & targets


def _parameter_count(code: types.CodeType) -> int:
    return code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)


def _parameters(node: FunctionNode) -> tuple[str, ...]:
    """In the order of a code object's variables."""
    a = node.args
    rest = [x.arg for x in (a.vararg, a.kwarg) if x is not None]
    return tuple([x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)] + rest)


def _covers(node: FunctionNode, code: types.CodeType) -> bool:
    """Whether the code's instructions lie inside the node: tells lambdas of one line apart."""
    if not isinstance(node, ast.Lambda):
        return True
    inside = [p for p in code.co_positions() if None not in p and p[:2] != (code.co_firstlineno, code.co_firstlineno)]
    inside = inside or [p for p in code.co_positions() if None not in p and p[2] != p[3]]
    first, last = (node.body.lineno, node.body.col_offset), (node.body.end_lineno, node.body.end_col_offset)
    return bool(inside) and all(first <= (p[0], p[2]) and (p[1], p[3]) <= last for p in inside)


def inner_code(code: types.CodeType, node: FunctionNode) -> types.CodeType:
    """The code object, among the constants of `code`, of the function that `node` defines."""
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    lines = [node.lineno] if isinstance(node, ast.Lambda) else [node.lineno, *(d.lineno for d in node.decorator_list)]
    found = [c for c in _codes(code) if c.co_name == name and c.co_firstlineno == min(lines) and _covers(node, c)]
    if len(found) != 1:
        raise NotInterpretable(f"the code of {name} is not found")
    return found[0]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Code objects of inner functions, also of those inside comprehensions."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            if constant.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"):
                yield from _codes(constant)
