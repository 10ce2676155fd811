"""Random programs that compute with state of many kinds, and random edits of that state.

A program is a set of *places* (globals, attributes, items, closure cells, defaults, class and module attributes, some
levels deep), and statements that read some of them, each in one of several *sites*: the function itself, helpers,
methods, submodules, hooks, generators, code without source. Values are numbers, strings, float64 tensors and
containers and objects of these.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Callable
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
        return {"cfg": CONFIG, "main": HEADER + "\n".join(self.roots) + "\n" + _functions(self.statements)}

    def simpler(self) -> list[Case]:
        """The cases with one edit, statement or definition less."""
        less = [replace(self, edits=_without(self.edits, i)) for i in range(len(self.edits))]
        less += [replace(self, statements=_without(self.statements, i)) for i in range(len(self.statements))]
        return less + [replace(self, roots=_without(self.roots, i)) for i in range(len(self.roots))]

    def __str__(self) -> str:
        program = "\n".join(self.roots) + "\n" + _functions(self.statements)
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


def _functions(statements: tuple[tuple[str, str], ...]) -> str:
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


class Writer:
    """Draws one program."""

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

    # ---- statements ----

    def statement(self, site: str) -> tuple[str, str]:
        """A statement for `site`, and the edit path of the place that it reads ('' for others)."""
        if site in ("body", "hook") or self.rng.random() < 0.22:
            return self.other_statement(site), ""
        place = self.rng.choice([p for p in self.places if p.site in ("", site)])
        read = place.read
        if site in ("method", "property", "special") and self.rng.random() < 0.7:
            read = re.sub(r"^(model|Model)\b", "self", read)
        if site == "forward" and self.rng.random() < 0.7:
            read = re.sub(r"^net\b", "self", read)
        if site in ("generator", "property", "special"):
            return self.number_statement(read, place.kind), place.edit
        return self.tensor_statement(read, place.kind), place.edit

    def number_statement(self, p: str, kind: str) -> str:
        """For sites whose `x` is handed to `use`."""
        yields = f"x = [x, {p}]"
        if kind in MAPPINGS:
            return self.pick(
                yields, f"x = [x, {p}.get('b', 7.0)]", f"x = [x, len({p})]", f"x = [x, list({p}.values())]"
            )
        if kind in SEQUENCES:
            return self.pick(yields, f"x = [x, {p}[-1]]", f"x = [x, len({p})]", f"x = [v for v in {p}]")
        return self.pick(yields, yields, f"x = ({p}, x)", f"x = [x, {p} is None]")

    def tensor_statement(self, p: str, kind: str) -> str:
        pick = self.pick
        common = (
            f"x = use(x, {p})",
            f"x = use(x, {p})",
            f"x = x * 2 if {p} is None else x + 1",
            f"try:\n    x = use(x, {p})\nexcept (AttributeError, KeyError, IndexError, NameError, TypeError):\n    x = x - 1",
            f"x = x * 2 if isinstance({p}, (int, float)) else x + 1",
        )
        match kind:
            case "number" | "int" | "bool":
                return pick(
                    *common,
                    f"x = x * {p}",
                    f"x = x + 1 if {p} > 1 else x.relu()",
                    f"x = x + {p} ** 2",
                    f"x = x * max({p}, 1)",
                )
            case "text":
                return pick(
                    *common, f"if {p} == 'a':\n    x = x.relu() + 1", f"x = x * {{'a': 2, 'bb': 3}}.get({p}, 5)"
                )
            case "tensor":
                return pick(
                    *common, f"x = x * {p}", f"x = x - {p}.mean()", f"x = x * {p}.dim()", f"x = torch.maximum(x, {p})"
                )
            case "set":
                return pick(*common, f"x = x * 2 if 'a' in {p} else x - 1", f"for v in sorted({p}):\n    x = use(x, v)")
        if kind in MAPPINGS:
            return pick(
                *common,
                f"for k, v in {p}.items():\n    x = use(x, v) + len(k)",
                f"x = use(x, {p}.get('late', 2.0))",
                f"x = x * 2 if 'b' in {p} else x - 1",
                f"x = x * len({p})",
                f"for k in {p}:\n    x = use(x, {p}[k])",
                f"x = use(x, list({p}.values()))",
                f"x = use(x, {{**{p}}})",
                f"try:\n    x = use(x, {p}['late'])\nexcept KeyError:\n    x = x - 1",
            )
        if kind in SEQUENCES:
            return pick(
                *common,
                f"for v in {p}:\n    x = use(x, v)",
                f"x = x + len({p})",
                f"x = use(x, {p}[-1])",
                f"for i, v in enumerate({p}):\n    x = use(x, v) + i",
                f"x = use(x, [v for v in {p} if v is not None])",
                f"first, *rest = {p}\nx = use(use(x, first), rest)",
                f"x = x * 2 if {p} else x + 3",
            )
        if kind in FIELDS:
            return pick(
                *common,
                f"x = use(x, getattr({p}, 'late', 2.0))",
                f"if hasattr({p}, 'late'):\n    x = x * 3",
                f"x = {p}.scaled(x)" if kind not in ("space", "pair") else f"x = use(x, {p}.a)",
                f"x = use(x, getattr({p}, 'first', {p}.b))",
                f"x = use(x, getattr({p}, 'shared', 4.0))",
                f"x = x + (type({p}) is Plain)",
                f"x = x * (2 if isinstance({p}, Base) else 3)",
            )
        return pick(*common)

    def other_statement(self, site: str) -> str:
        name = {"forward": "self", "hook": "net"}.get(site, "net")
        if site in ("generator", "property", "special"):
            return self.pick(
                "x = [x, cfg.K]",
                "x = [x, net.w]",
                "x = [x, len(net.layers)]",
                "x = [x, float(os.environ.get('JIC_FUZZ', '2'))]",
            )
        options = [
            "x = use(x, cfg.T)",
            "x = x * cfg.K",
            "x = cfg.helper(x)",
            f"for layer in {name}.layers:\n    x = layer(x)",
            f"x = {name}.layers[0](x) * len({name}.layers)",
            f"for key in {name}.named:\n    x = {name}.named[key](x) + len(key)",
            f"x = x * (2 if {name}.training else 3)",
            f"x = x * {name}.w + {name}.buf",
            f"x = x * {name}.body[1].negative_slope",
            f"x = x + getattr({name}, 'late', 1)",
            "x = x * getattr(model, 'late', 2) + Base.shared",
            "x = use(x, getattr(f, 'note', 2.0))",
            "x = x * float(os.environ.get('JIC_FUZZ', '2'))",
            "x = x * len([1, 2]) + max(1, 2)",
            "try:\n    x = x * LATE\nexcept NameError:\n    x = x + 1",
            "x = use(x, model.first)",
        ]
        if site not in ("body", "hook"):
            options.append(f"x = {name}.body(x)")
        return self.pick(*options)

    # ---- edits ----

    def edit(self, place: Place) -> str:
        """An edit of what stands at `place`."""
        p, new = place.edit, self.value()
        same = (
            self.container(place.kind, [self.value(0), self.value(0)])
            if place.kind in CONTAINERS
            else self.leaf(place.kind)
        )
        options: list[str] = []
        if place.assign:
            options += [place.assign.format(same)] * 3 + [place.assign.format(new)]
            options.append(place.assign.format(place.source))
            options += [f"saved = {p}\n{place.assign.format(same)}", place.assign.format("saved")]
            if place.assign.startswith(p):
                options.append(f"del {p}")
        match place.kind:
            case "tensor":
                options += [f"{p}.add_(1)", f"{p}.data = torch.randn(3, 1, dtype=torch.float64)", f"{p}.mul_({p})"]
            case "set":
                options += [f"{p}.add('a')", f"{p}.discard('a')", f"{p}.clear()"]
        if place.kind in MAPPINGS:
            options += [f"{p}['late'] = {new}", f"{p}['a'] = {new}", f"{p}['a'] = {p}.pop('a')", f"{p}.clear()"]
            options += [f"{p}.update(b={new}, c=1)", f"del {p}['b']", f"{p}['unread'] = 1"]
        elif place.kind in SEQUENCES:
            options += [f"{p}.append({new})", f"{p}.insert(0, {new})", f"{p}.reverse()", f"{p}.pop()", f"{p}.clear()"]
            options += [
                f"{p}[0] = {new}",
                f"{p}[-1] = {new}",
                f"{p}.extend([{new}, {new}])",
                f"{p}.rotate(1)",
                f"{p}[:1] = []",
            ]
        elif place.kind in FIELDS and place.kind != "pair":
            options += [f"{p}.late = {new}", f"{p}.a = {new}", f"del {p}.b", f"{p}.__class__ = Other", f"del {p}.late"]
            options += [f"{p}.__dict__['a'] = {new}", f"{p}.__dict__ = {{'a': {new}}}", f"{p}.unread = 1"]
        return self.pick(*options) if options else f"UNREAD = {new}"

    def special(self) -> str:
        """An edit of a function, class, module, hook, or of the process."""
        n, new = self.leaf("number"), self.value()
        layer = self.pick("nn.Tanh()", "nn.ReLU()", "nn.Linear(4, 4).double()", f"nn.LeakyReLU({n})", "nn.Identity()")
        where = self.pick("net", "net.body", "net.body[0]", "net.body[1]", "net.sub", "net.layers[0]", "net.layers[-1]")
        return self.pick(
            f"def h0(x, d0={new}, *, d1=None): return use(x, d0) + {n}",
            f"h0.__code__ = (lambda x, d0=None, *, d1=None: x * {n}).__code__",
            f"h0.__defaults__ = ({new},)",
            f"h0.__kwdefaults__ = {{'d1': {new}}}",
            f"h2 = lambda x: x + {n}",
            f"def h2(x): return use(x, {new})",
            "h1, h2 = h2, h1",
            f"inner = make({new}, {new})",
            f"p0.__defaults__ = ({new},)",
            f"part = functools.partial(p0, k={new})",
            f"decorated.__closure__[0].cell_contents = lambda x: x * {n}",
            f"def generated(): yield {new}",
            f"def hidden(x): return x * {n}",
            f"Model.apply = lambda self, x: use(x, self.a) + {n}",
            f"model.apply = lambda x: x + {n}",
            "del model.apply",
            f"Model.plain = staticmethod(lambda x: x * {n})",
            "class Other2(Model): pass\nmodel.__class__ = Other2",
            f"Model.prop = property(lambda self: {new})",
            f"Model.__getitem__ = lambda self, i: {new}",
            f"Model.late = {n}",
            f"Base.late = {n}",
            f"Base.shared = {n}",
            f"Plain.shared = {n}",
            f"Base.scaled = lambda self, x: x * {n}",
            f"Plain.scaled = lambda self, x: x + {n}",
            f"Base.first = property(lambda self: {new})",
            f"Plain.__getattr__ = lambda self, name: {n}",
            f"Model.__bases__ = (type('Base2', (Base,), {{'shared': {n}}}),)",
            f"model.late = {n}",
            f"model.__dict__ = dict(model.__dict__, a={new})",
            f"net.forward = lambda x: x * {n}",
            "del net.forward",
            f"Net.forward = lambda self, x: self.body(x) * {n}",
            f"Sub.forward = lambda self, x: x * {n}",
            f"net.sub.forward = lambda x: x - {n}",
            f"net.sub = {layer}",
            f"net.body.append({layer})",
            f"net.body.insert(0, {layer})",
            "net.body.pop(0)",
            f"net.body[1] = {layer}",
            f"net.layers.append({layer})",
            f"net.layers[0] = {layer}",
            "net.layers.pop(1)",
            f"net.named['bb'] = {layer}",
            f"net.named['a'] = {layer}",
            "net.named.pop('a')",
            f"net.body[1].negative_slope = {n}",
            "net.train()",
            "net.eval()",
            f"{where}.training = not {where}.training",
            f"handles.append({where}.register_forward_hook(lambda m, a, out: out * {n}))",
            f"handles.append({where}.register_forward_pre_hook(lambda m, a: (a[0] + {n},)))",
            "handles.pop().remove()",
            f"{where}.late = {n}",
            f"{where}.forward = lambda x: x + {n}",
            "net.body[0].weight = nn.Parameter(torch.randn(4, 4, dtype=torch.float64))",
            "net.body[0].bias = None",
            "net.body[0].weight.data = torch.randn(4, 4, dtype=torch.float64)",
            "net.layers[0].weight = net.body[0].weight",
            "net.w = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))",
            "net.buf = torch.randn(1, dtype=torch.float64)",
            "del net.buf",
            "net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})",
            f"cfg.K = {n}",
            f"cfg.T['a'] = {new}",
            f"cfg.T['late'] = {new}",
            f"cfg.T['b'][0] = {n}",
            f"cfg.helper = lambda x: x * {n}",
            f"cfg.unread = {n}",
            f"def max(a, b): return {n}",
            "del max",
            f"def len(v): return {self.leaf('int')}",
            f"LATE = {n}",
            "del LATE",
            f"f.note = {new}",
            f"os.environ['JIC_FUZZ'] = '{n}'",
            f"UNREAD = {new}",
            f"old = use\ndef use(x, v): return old(x, v) + {n}" if self.rng.random() < 0.2 else f"UNREAD = {n}",
        )

    def case(self, edits: int) -> Case:
        roots = self.world()
        sites = [s for s in SITES if s != "f"]
        statements, read = [], []
        for _ in range(self.rng.randint(2, 5)):
            site = "f" if self.rng.random() < 0.4 else self.rng.choice(sites)
            text, path = self.statement(site)
            statements.append((site, text))
            read.append(path)
        used = _functions(tuple(statements))
        near = [p for p in self.places if any(path and _related(p.edit, path) for path in read)]
        return Case(tuple(roots), tuple(statements), tuple(self.draw_edit(near, used) for _ in range(edits)))

    def draw_edit(self, near: list[Place], used: str) -> str:
        """Mostly of what is read, sometimes of anything."""
        if self.rng.random() < 0.6:
            chosen = near if near and self.rng.random() < 0.85 else self.places
            return self.edit(self.rng.choice(chosen))
        return self._until(self.special, used)

    def _until(self, draw: Callable[[], str], used: str) -> str:
        """A drawn edit whose subject occurs in `used`, most times."""
        text = draw()
        for _ in range(12):
            if self.rng.random() < 0.05 or any(re.search(rf"\b{w}\b", used) for w in _subjects(text)):
                break
            text = draw()
        return text


def _related(path: str, read: str) -> bool:
    """One contains the other."""
    return read.startswith(path) or path.startswith(read)


def _subjects(text: str) -> list[str]:
    """The names whose presence in a program says that `text` may matter to it."""
    match = re.search(r"(?:def |class |del |old = )?(?:handles\.append\()?([A-Za-z_]\w*)(?:\.(\w+))?", text)
    assert match is not None
    first, second = match.groups()
    if first in ("net", "cfg", "model", "Model", "os") and second not in (None, "__dict__", "train", "eval"):
        return [second, "named_modules"]
    return ["use" if first in ("Base", "Plain", "old") else first, "scaled", "shared"][
        : 1 + 2 * (first in ("Base", "Plain"))
    ]
