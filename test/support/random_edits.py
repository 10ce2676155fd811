"""Random statements that read a program's state, and random edits of it."""

from __future__ import annotations

import re
from collections.abc import Callable

from .random_state import CONTAINERS, FIELDS, MAPPINGS, SEQUENCES, SITES, Case, Place, State, functions


class Writer(State):
    """Draws one program and its edits."""

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
        used = functions(tuple(statements))
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
