"""Random state of many kinds, and the programs that read it.

A program is a set of *places* (globals, attributes, items, closure cells, defaults, class and module attributes, some
levels deep), and statements that read some of them, each in one of several *sites*: the function itself, helpers,
methods, submodules, hooks, generators, code without source. Values are numbers, strings, float64 tensors and
containers and objects of these.
"""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass, replace

HEADER = '''
import collections, dataclasses, functools, os, types
import torch
from torch import nn
from . import cfg

handles = []

def use(x, v):
    """`x` changed by a value of any kind."""
    if isinstance(v, torch.Tensor):
        return x * v.sum() + v.ndim
    if isinstance(v, bool):
        return x.relu() if v else x - 1
    if isinstance(v, (int, float)):
        return x * v + 1
    if isinstance(v, str):
        return x + len(v)
    if v is None:
        return x - 2
    if isinstance(v, (set, frozenset)):
        return x * (1 + len(v)) + ("a" in v)
    if isinstance(v, dict):
        for key, item in v.items():
            x = use(x, item) + len(str(key))
        return x
    if isinstance(v, (list, tuple, collections.deque)):
        for item in v:
            x = use(x, item)
        return x
    if callable(v):
        return v(x)
    return x * getattr(v, "weight", 0.5)

def cell(function, name):
    return function.__closure__[function.__code__.co_freevars.index(name)]

class Base:
    shared = 1.5
    def scaled(self, x):
        return use(x, self.a)
    @property
    def first(self):
        return self.a

class Plain(Base):
    def __init__(self, **fields):
        self.__dict__.update(fields)

class Other(Plain):
    shared = 0.5
    def scaled(self, x):
        return x * 3 - 1

class Slotted(Base):
    __slots__ = ("a", "b", "late")
    def __init__(self, a, b):
        self.a, self.b = a, b

@dataclasses.dataclass
class Data(Base):
    a: object
    b: object

@dataclasses.dataclass(frozen=True)
class Frozen(Base):
    a: object
    b: object

Pair = collections.namedtuple("Pair", "a b")
'''
CONFIG = """
K = 1.25
T = {"a": 0.5, "b": [2.0]}
def helper(x):
    return x * K + len(T)
"""
LEAVES = ("number", "number", "int", "bool", "text", "none", "tensor", "tensor", "set")
CONTAINERS = (
    *("list", "list", "dict", "dict", "tuple", "pair", "odict", "ddict", "deque"),
    *("object", "object", "slots", "data", "frozen", "space"),
)
FIELDS = {"object", "slots", "data", "frozen", "space", "pair"}
MAPPINGS = {"dict", "odict", "ddict"}
SEQUENCES = {"list", "deque"}


@dataclass(frozen=True)
class Place:
    """Where a value stands: how statements of `site` ('' all) read it, how edits reach it and assign to it."""

    read: str
    edit: str
    kind: str
    source: str
    assign: str  # with {} for the new value; '' if it cannot be assigned
    site: str = ""


@dataclass(frozen=True)
class Case:
    """A program: definitions, statements by site, edits."""

    roots: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]
    edits: tuple[str, ...]

    def sources(self) -> dict[str, str]:
        return {"cfg": CONFIG, "main": HEADER + "\n".join(self.roots) + "\n" + functions(self.statements)}

    def simpler(self) -> list[Case]:
        """The cases with one edit, statement or definition less."""
        less: list[Case] = [replace(self, edits=_without(self.edits, i)) for i in range(len(self.edits))]
        less += [replace(self, statements=_without(self.statements, i)) for i in range(len(self.statements))]
        return less + [replace(self, roots=_without(self.roots, i)) for i in range(len(self.roots))]

    def __str__(self) -> str:
        program = "\n".join(self.roots) + "\n" + functions(self.statements)
        edits = "\n".join(f"# edit {i}:\n{edit}" for i, edit in enumerate(self.edits))
        return f"{program}\n\n{edits}"


def _without(items: tuple, index: int) -> tuple:  # type: ignore[type-arg]
    return items[:index] + items[index + 1 :]


# How `f` comes to the statements of a site, and the definition that holds them ({body}, indented once).
SITES = {
    "f": ("", ""),
    "helper": ("x = h0(x)", "def h0(x, d0={d0}, *, d1={d1}):\n{body}\n    return x"),
    "nested": ("x = h1(x)", "def h2(x):\n{body}\n    return x\ndef h1(x):\n    return h2(x) + 1"),
    "closure": (
        "x = inner(x)",
        "def make(c0, c1):\n    def inner(x):\n        kept = c0, c1\n{body2}\n        return x\n    return inner\n"
        "inner = make({c0}, {c1})",
    ),
    "method": ("x = model.apply(x)", "def apply(self, x):\n{body}\n    return x\nModel.apply = apply"),
    "static": ("x = Model.plain(x)", "def plain(x):\n{body}\n    return x\nModel.plain = staticmethod(plain)"),
    "forward": ("x = net(x)", "def forward(self, x):\n{body}\n    return x\nNet.forward = forward"),
    "submodule": ("x = net.sub(x)", "def sub_forward(self, x):\n{body}\n    return x\nSub.forward = sub_forward"),
    "hook": (
        "x = net.body(x)",
        "def hook(module, args, x):\n{body}\n    return x\nhandles.append(net.body[1].register_forward_hook(hook))",
    ),
    "partial": ("x = part(x)", "def p0(x, k=None):\n{body}\n    return x\npart = functools.partial(p0, k={k})"),
    "decorated": (
        "x = decorated(x)",
        "def decorate(fn):\n    @functools.wraps(fn)\n    def wrapper(*args, **kwargs):\n"
        "        return fn(*args, **kwargs) + 1\n    return wrapper\n"
        "@decorate\ndef decorated(x):\n{body}\n    return x",
    ),
    "generator": ("for v in generated():\n    x = use(x, v)", "def generated():\n    x = 1.5\n{body}\n    yield x"),
    "hidden": ("x = hidden(x)", "exec('''def hidden(x):\n{body}\n    return x\n''', globals())"),
    "property": (
        "x = use(x, model.prop)",
        "def prop(self):\n    x = 1.5\n{body}\n    return x\nModel.prop = property(prop)",
    ),
    "special": (
        "x = use(x, model[0])",
        "def item(self, i):\n    x = 1.5\n{body}\n    return x\nModel.__getitem__ = item",
    ),
    "config": ("x = cfg.helper(x)", "def helper(x):\n{body}\n    return x\ncfg.helper = helper"),
    "body": ("x = net.body(x)", ""),
}
DEFAULTS = {"d0": "None", "d1": "None", "c0": "None", "c1": "None", "k": "None"}


def functions(statements: tuple[tuple[str, str], ...]) -> str:
    """The definitions of the sites in use, and of `f`."""
    bodies: dict[str, list[str]] = {}
    main: list[str] = []
    for site, text in statements:
        if site not in bodies and site != "f":
            main.append(SITES[site][0])
        bodies.setdefault(site, []).append(text)
        if site == "f":
            main.append(text)
    definitions = []
    for site, texts in bodies.items():
        text = SITES[site][1]
        if site != "f" and text:
            body = "\n".join(texts)
            # What a program's values are called in a definition is a global of that name: `D0` for `d0`.
            names = {name: name.upper() for name in DEFAULTS}
            definitions.append(
                text.format(body=textwrap.indent(body, "    "), body2=textwrap.indent(body, " " * 8), **names)
            )
    return "\n".join([*definitions, "def f(x):", textwrap.indent("\n".join([*main, "return x"]), "    ")]) + "\n"


class State:
    """Draws the state of one program."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.places: list[Place] = []

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)

    def leaf(self, kind: str) -> str:
        match kind:
            case "number":
                return self.pick("0.5", "0.75", "1.25", "2.0", "1.0", "-0.5")
            case "int":
                return self.pick("1", "2", "3", "0")
            case "bool":
                return self.pick("True", "False")
            case "text":
                return self.pick("'a'", "'bb'", "'ccc'")
            case "tensor":
                return f"torch.randn({self.pick('4', '3, 4', '1', '')}, dtype=torch.float64)".replace(
                    "randn(,", "randn((),"
                )
            case "set":
                return self.pick("{'a', 'b'}", "{'b'}", "frozenset({'a'})")
        return "None"

    def value(self, depth: int = 1) -> str:
        """The source of a value whose places are of no interest."""
        kind = self.rng.choice(LEAVES if depth == 0 or self.rng.random() < 0.7 else CONTAINERS)
        return self.leaf(kind) if kind in LEAVES else self.container(kind, [self.value(0), self.value(0)])

    def container(self, kind: str, items: list[str]) -> str:
        a, b = items[0], items[-1]
        pairs = ", ".join(f"{key!r}: {item}" for key, item in zip("abc", items, strict=False))
        match kind:
            case "list":
                return f"[{', '.join(items)}]"
            case "tuple":
                return f"({', '.join(items)},)"
            case "deque":
                return f"collections.deque([{', '.join(items)}])"
            case "odict":
                return f"collections.OrderedDict({{{pairs}}})"
            case "ddict":
                return f"collections.defaultdict(float, {{{pairs}}})"
            case "object":
                return f"Plain(a={a}, b={b})"
            case "slots":
                return f"Slotted({a}, {b})"
            case "data":
                return f"Data({a}, {b})"
            case "frozen":
                return f"Frozen({a}, {b})"
            case "space":
                return f"types.SimpleNamespace(a={a}, b={b})"
            case "pair":
                return f"Pair({a}, {b})"
        return f"{{{pairs}}}"

    def grow(self, read: str, edit: str, depth: int, site: str = "", assign: str | None = None) -> str:
        """The source of a value for a place; notes the place and those in it."""
        container = depth > 0 and self.rng.random() < 0.65
        kind = self.rng.choice(CONTAINERS if container else LEAVES)
        if not container:
            source = self.leaf(kind)
        else:
            count = 2 if kind in FIELDS else self.rng.randint(1, 3)
            items = []
            for i in range(count):
                step = f".{'ab'[i]}" if kind in FIELDS else f"[{'abc'[i]!r}]" if kind in MAPPINGS else f"[{i}]"
                inside = f"{edit}{step} = {{}}"
                if kind == "frozen":
                    inside = f"object.__setattr__({edit}, {'ab'[i]!r}, {{}})"
                elif kind in ("tuple", "pair"):
                    inside = ""
                items.append(self.grow(read + step, edit + step, depth - 1, site, inside))
            source = self.container(kind, items)
        self.places.append(Place(read, edit, kind, source, f"{edit} = {{}}" if assign is None else assign, site))
        return source

    def world(self) -> list[str]:
        """Definitions of the program's state."""
        roots = [f"G{i} = {self.grow(f'G{i}', f'G{i}', 2)}" for i in range(self.rng.randint(1, 3))]
        roots.append(f"D0 = {self.grow('d0', 'h0.__defaults__[0]', 2, 'helper', 'h0.__defaults__ = ({},)')}")
        keyword = self.grow("d1", "h0.__kwdefaults__['d1']", 1, "helper")
        roots.append(f"D1 = {keyword}")
        for name in ("c0", "c1"):
            value = self.grow(name, f"cell(inner, '{name}').cell_contents", 2, "closure")
            roots.append(f"{name.upper()} = {value}")
        keyword = self.grow("k", "part.keywords['k']", 1, "partial")
        roots.append(f"K = {keyword}")
        roots.append(
            "class Model(Base):\n    " + f"table = {self.grow('Model.table', 'Model.table', 1)}\n" + "model = Model()\n"
            f"model.a = {self.grow('model.a', 'model.a', 2)}\nmodel.b = {self.grow('model.b', 'model.b', 1)}"
        )
        roots.append(f"cfg.A = {self.grow('cfg.A', 'cfg.A', 1)}")
        roots.append(
            "class Sub(nn.Module):\n    def forward(self, x):\n        return x + 1\n"
            "class Net(nn.Module):\n"
            f"    shared = {self.grow('net.shared', 'Net.shared', 1)}\n"
            "    def __init__(self):\n        super().__init__()\n"
            "        self.body = nn.Sequential(nn.Linear(4, 4).double(), nn.LeakyReLU(0.1))\n"
            "        self.layers = nn.ModuleList([nn.Linear(4, 4).double(), nn.Tanh()])\n"
            "        self.named = nn.ModuleDict({'a': nn.ReLU()})\n"
            "        self.sub, self.w = Sub(), nn.Parameter(torch.randn(4, dtype=torch.float64))\n"
            "        self.register_buffer('buf', torch.randn(4, dtype=torch.float64))\n"
            f"        self.a = {self.grow('net.a', 'net.a', 2)}\n        self.sub.a = {self.grow('net.sub.a', 'net.sub.a', 1)}\n"
            "    def forward(self, x):\n        return self.body(x)\nnet = Net()"
        )
        return roots
