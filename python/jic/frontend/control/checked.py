"""Functions of the user's that Python runs while they are traced, written so that whatever may have an effect asks first.

Generators, `match`, and class definitions are no matter of the interpreter's. Their syntax tree gets calls of hooks: where
something is called, an attribute is read, an object is changed, or items are taken. The hooks are the interpreter's own, so
what such a function calls is interpreted, and what it changes is repeated after each run. Inner functions stay as they are:
they come to the interpreter when they are called.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from . import objects, purity, source
from .errors import NotInterpretable, Unsupported
from .expressions import BINARY, IN_PLACE

if TYPE_CHECKING:
    from .interpreter import Interpreter

_HOOKS = "__jic_hooks__"
_COROUTINE = 0x280  # CO_COROUTINE, CO_ASYNC_GENERATOR
_BY_FRAME = frozenset({"locals", "globals", "vars", "eval", "exec", "dir", "super"})


def version_of(interpreter: Interpreter, function: types.FunctionType) -> Callable[..., Any]:
    """`function`, asking before each effect.

    Raises:
        NotInterpretable: its source is not known.
        Unsupported: it is a coroutine, or assigns variables that outlive the call.
    """
    code = function.__code__
    if code.co_flags & _COROUTINE:
        raise Unsupported(f"{function.__name__} is a coroutine", hint="await it outside the compiled function")
    node = source.node_of(code)
    assigned = _outer_assigned(node)
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    for name, line in assigned.items():
        if name not in cells or not interpreter.context.is_created(cells[name]):
            raise Unsupported(
                f"{function.__name__} assigns {name}, which outlives the call, at line {line}", effect=True,
                location=f"{code.co_filename}:{line}",
            )  # fmt: skip
        if interpreter.context.regions:
            raise Unsupported(f"{function.__name__} assigns {name} in control flow that is compiled")
    changed = _code_of(code, node)
    cells[_HOOKS] = types.CellType(_Hooks(interpreter, tuple(cells.values())))
    closure = tuple(cells[n] for n in changed.co_freevars)
    made = types.FunctionType(changed, function.__globals__, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    return made


def _outer_assigned(node: source.FunctionNode) -> dict[str, int]:
    """The names that are declared global or nonlocal, and where."""
    return {
        name: inner.lineno
        for inner in source.own_nodes(node)
        if isinstance(inner, (ast.Global, ast.Nonlocal))
        for name in inner.names
    }


_versions: dict[types.CodeType, types.CodeType] = {}


def _code_of(code: types.CodeType, node: source.FunctionNode) -> types.CodeType:
    if code not in _versions:
        _versions[code] = _compiled(code, node)
    return _versions[code]


def _compiled(code: types.CodeType, node: source.FunctionNode) -> types.CodeType:
    if isinstance(node, ast.Lambda):
        raise NotInterpretable("a lambda that is a generator")
    for inner in source.own_nodes(node):
        if isinstance(inner, ast.Name) and inner.id in _BY_FRAME:
            raise NotInterpretable(f"it uses {inner.id}")
    function = copy.deepcopy(node)
    function.decorator_list = []
    arguments = function.args
    arguments.defaults = [ast.Constant(None)] * len(arguments.defaults)
    arguments.kw_defaults = [d and ast.Constant(None) for d in arguments.kw_defaults]
    for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if a is not None:
            a.annotation = None
    function.returns = None
    function.body = [_Asking().visit(statement) for statement in function.body]
    free = ast.arguments([], [ast.arg(n) for n in (*code.co_freevars, _HOOKS)], None, [], [], None, [])
    outer = ast.FunctionDef("outer", free, [function], [], None)
    if "type_params" in outer._fields:  # from Python 3.12 on
        outer.type_params = []  # type: ignore[attr-defined]
    module = ast.fix_missing_locations(ast.copy_location(ast.Module([outer], []), node))
    flags = code.co_flags & 0x1000000  # from __future__ import annotations
    found = compile(module, code.co_filename, "exec", flags, dont_inherit=True)
    for _ in range(2):
        found = next(c for c in found.co_consts if isinstance(c, types.CodeType))
    return found


def _hook(name: str, node: ast.expr, *args: ast.expr) -> ast.expr:
    hook = ast.Attribute(ast.Name(_HOOKS, ast.Load()), name, ast.Load())
    made = ast.Call(hook, list(args), [])
    for inner in (hook.value, hook, made):
        ast.copy_location(inner, node)
    return made


class _Asking(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [_hook("decorator", d, self.visit(d)) for d in node.decorator_list]
        at = ast.copy_location(ast.Constant(None), node.decorator_list[-1] if node.decorator_list else node)
        node.decorator_list.append(_hook("function_made", at))
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [d and self.visit(d) for d in node.args.kw_defaults]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return _hook("made", node, node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = [_hook("base", b, self.visit(b)) for b in node.bases]
        node.keywords = [ast.keyword(k.arg, _hook("base", k.value, self.visit(k.value))) for k in node.keywords]
        node.decorator_list = [_hook("decorator", d, self.visit(d)) for d in node.decorator_list]
        node.body = [self.visit(s) for s in node.body]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Call(_hook("called", node.func, node.func), node.args, node.keywords), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            if node.attr.startswith("__") and not node.attr.endswith("__"):
                raise NotInterpretable("a private name in a generator")
            return _hook("attribute", node, node.value, ast.copy_location(ast.Constant(node.attr), node))
        node.value = _hook("owner", node, node.value, ast.copy_location(ast.Constant(node.attr), node))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        name = "read" if isinstance(node.ctx, ast.Load) else "changed"
        node.value = _hook(name, node, node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if not isinstance(node.target, ast.Name):
            raise NotInterpretable("an augmented assignment to an object in a generator")
        old = ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        which = ast.copy_location(ast.Constant(type(node.op).__name__), node)
        new = _hook("in_place", node.value, which, old, self.visit(node.value))
        return ast.copy_location(ast.Assign([node.target], new), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        which = ast.copy_location(ast.Constant(type(node.op).__name__), node)
        return _hook("binary", node, which, node.left, node.right)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for i, op in enumerate(node.ops):
            if isinstance(op, (ast.In, ast.NotIn)):
                node.comparators[i] = _hook("searched", node.comparators[i], node.comparators[i])
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = _hook("items", node.iter, node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if node.is_async:
            raise NotInterpretable("an asynchronous comprehension")
        node.iter = _hook("items", node.iter, node.iter)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = _hook("items", node.value, node.value)
        return node

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.AST:
        self.generic_visit(node)
        node.value = _hook("items", node.value, node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(t, (ast.Tuple, ast.List)) for t in node.targets):
            node.value = _hook("searched", node.value, node.value)
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = _hook("manager", item.context_expr, item.context_expr)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        node.value = _hook("text", node.value, node.value)
        return node

    def _display(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return node
        return _hook("made", node, node)

    visit_List = visit_Dict = visit_Set = visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = (
        _display
    )

    def visit_Import(self, node: ast.Import) -> ast.AST:
        raise NotInterpretable("an import in a generator")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        raise NotInterpretable("an import in a generator")


class _Hooks:
    """What the changed code calls."""

    def __init__(self, interpreter: Interpreter, outer_cells: tuple[types.CellType, ...]) -> None:
        self.interpreter, self.context, self.outer_cells = interpreter, interpreter.context, outer_cells

    def called(self, function: Any) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.interpreter.call(function, list(args), kwargs, None)

    decorator = called

    def attribute(self, owner: Any, name: str) -> Any:
        return self.interpreter.attribute(owner, name)

    def owner(self, owner: Any, name: str) -> Any:
        """`owner`, whose attribute `name` is about to be assigned or deleted."""
        return _Attributes(self.interpreter, owner)

    def changed(self, owner: Any) -> Any:
        """`owner`, of which an item is about to be assigned or deleted."""
        return owner if isinstance(owner, torch.Tensor) else _Items(self.interpreter, owner)

    def read(self, owner: Any) -> Any:
        if objects.method(owner, "__getitem__") is not None:
            return _Items(self.interpreter, owner)
        self.context.outer.whole(owner)
        return owner

    def in_place(self, which: str, old: Any, value: Any) -> Any:
        from .statements import in_place

        return in_place(self.interpreter, IN_PLACE[getattr(ast, which)], old, value)

    def binary(self, which: str, left: Any, right: Any) -> Any:
        function = BINARY[getattr(ast, which)]
        found = objects.binary(self.interpreter, function, left, right)
        return function(left, right) if found is NotImplemented else found

    def items(self, value: Any) -> Any:
        return self.interpreter.iterate(value)

    def searched(self, value: Any) -> Any:
        if purity.is_iterator(value):
            self.interpreter.takes(value)
        self.context.outer.whole(value)
        return value

    def text(self, value: Any) -> Any:
        from .protocol_calls import text_of

        return text_of(self.interpreter, value)

    def made(self, value: Any) -> Any:
        if isinstance(value, types.FunctionType):
            for cell in value.__closure__ or ():
                if not any(cell is outer for outer in self.outer_cells):
                    self.context.created(cell)  # a variable of the function's own
        return self.context.created(value)

    def function_made(self) -> Callable[[Any], Any]:
        return self.made

    def base(self, value: Any) -> Any:
        """A class that another one is derived from: it may run code of the user's then."""
        special = ("__init_subclass__", "__class_getitem__", "__mro_entries__")
        metaclass = type(value) if isinstance(value, type) else type
        own = any(objects.method_of(metaclass, name) for name in ("__new__", "__init__", "__prepare__", "__call__"))
        if own or isinstance(value, type) and any(objects.method_of(value, name) for name in special):
            raise Unsupported(f"a class is derived from {value.__name__}, which runs code of its own then", effect=True)
        return value

    def manager(self, value: Any) -> Any:
        return managed(self.interpreter, value)


class _Attributes:
    """Stands for an object while an attribute of it is assigned or deleted."""

    def __init__(self, interpreter: Interpreter, owner: Any) -> None:
        object.__setattr__(self, "_of", (interpreter, owner))

    def __setattr__(self, name: str, value: Any) -> None:
        interpreter, owner = object.__getattribute__(self, "_of")
        objects.set_attribute(interpreter, owner, name, value)

    def __delattr__(self, name: str) -> None:
        interpreter, owner = object.__getattribute__(self, "_of")
        objects.delete_attribute(interpreter, owner, name)


class _Items:
    """The same for items."""

    def __init__(self, interpreter: Interpreter, owner: Any) -> None:
        self.interpreter, self.owner = interpreter, owner

    def __getitem__(self, index: Any) -> Any:
        return self.interpreter.call(type(self.owner).__getitem__, [self.owner, index], {}, None)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.interpreter.set_item(self.owner, index, value)

    def __delitem__(self, index: Any) -> None:
        self.interpreter.delete_item(self.owner, index)


# ---- context managers ----


def context_manager_of(function: types.FunctionType) -> types.FunctionType | None:
    """The generator function that `contextlib.contextmanager` made `function` of, if it is the user's."""
    wrapped = getattr(function, "__wrapped__", None)
    if function.__module__ is None or not isinstance(wrapped, types.FunctionType):
        return None
    made = function.__code__.co_filename == contextlib.__file__ and function.__code__.co_name == "helper"
    return wrapped if made and source.is_users(wrapped.__code__) else None


def manager(interpreter: Interpreter, function: types.FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """What a call of a function decorated with `contextlib.contextmanager` gives."""

    def generator(*args: Any, **kwargs: Any) -> Any:
        return interpreter._left(function, list(args), kwargs, "a generator or coroutine")

    made = contextlib._GeneratorContextManager(generator, tuple(args), kwargs)  # type: ignore[arg-type, attr-defined]
    return made


class _Managed:
    """A context manager of a user's class, whose methods are interpreted."""

    def __init__(self, interpreter: Interpreter, value: Any) -> None:
        self.interpreter, self.value = interpreter, value

    def __enter__(self) -> Any:
        return self.interpreter.call(type(self.value).__enter__, [self.value], {}, None)

    def __exit__(self, *details: Any) -> Any:
        return self.interpreter.call(type(self.value).__exit__, [self.value, *details], {}, None)


def managed(interpreter: Interpreter, value: Any) -> Any:
    """`value` for a `with` statement.

    Raises:
        Unsupported: entering or leaving it has an effect.
    """
    interpreter.context.switches.pop(id(value), None)
    if objects.method(value, "__enter__") is not None or objects.method(value, "__exit__") is not None:
        return _Managed(interpreter, value)
    module = type(value).__module__
    if isinstance(value, contextlib._GeneratorContextManager):  # type: ignore[attr-defined]
        generator = value.gen
        created = interpreter.context.is_created(value)
        if not created and source.is_users(generator.gi_code):
            raise Unsupported("a context manager that was made outside the compiled function is entered", effect=True)
        return value
    if module.partition(".")[0] != "torch" and (why := purity.why_impure(type(value))) is not None:
        raise Unsupported(why.replace("()", "", 1), effect=True)
    return value
