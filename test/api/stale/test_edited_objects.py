"""Objects and classes that are edited between calls: attributes, dataclasses, slots, properties, methods, class changes."""

from __future__ import annotations

import pytest
from support.twins import Check, Quiet


def test_nested_attributes(check: Check) -> None:
    check(
        """
        class Node:
            def __init__(self, **fields): self.__dict__.update(fields)
        cfg = Node(model=Node(dim=2.0, deep=Node(k=[1.0], name="a")), other=1)
        def f(x):
            y = x * cfg.model.dim + cfg.model.deep.k[0]
            return y.relu() if cfg.model.deep.name == "a" else y.tanh()
        """,
        "cfg.model.dim = 3.0",
        "cfg.model.deep.k[0] = 4.0",
        "cfg.model.deep.name = 'b'",
        Quiet("cfg.other = 2"),
        Quiet("cfg.model.unread = 2"),
        "cfg.model.deep.k.append(1)",
        "cfg.model.deep = Node(k=(9.0,), name='a')",
        "cfg.model = Node(dim=1.0, deep=Node(k=[2.0], name='b'))",
        "cfg = Node(model=cfg.model)",
        "cfg.model.dim = 8.0",
        "del cfg.model.dim",
    )


@pytest.mark.parametrize(
    ("make", "change"),
    [
        ("types.SimpleNamespace(a=2.0, b=[1.0], other=1)", "s.a = 3.0"),
        ("argparse.Namespace(a=2.0, b=[1.0], other=1)", "s.a = 3.0"),
        ("Plain(2.0, [1.0])", "s.a = 3.0"),
        ("Data(2.0, [1.0])", "s.a = 3.0"),
        ("Slotted(2.0, [1.0])", "s.a = 3.0"),
        ("SlottedData(2.0, [1.0])", "s.a = 3.0"),
        ("Frozen(2.0, [1.0])", "object.__setattr__(s, 'a', 3.0)"),
        ("FrozenSlots(2.0, [1.0])", "object.__setattr__(s, 'a', 3.0)"),
        ("AttrDict(a=2.0, b=[1.0])", "s.a = 3.0"),
        ("Exception()", "s.a = 3.0"),
        ("Callable(2.0, [1.0])", "s.a = 3.0"),
        ("Mixed(2.0, [1.0])", "s.a = 3.0"),
    ],
)
def test_kinds_of_objects(check: Check, make: str, change: str) -> None:
    undo = change.replace("3.0", "float('3.0')")
    check(
        f"""
        import argparse, dataclasses, types
        class Plain:
            def __init__(self, a, b): self.a, self.b, self.other = a, b, 1
        class Slotted:
            __slots__ = ("a", "b", "other")
            def __init__(self, a, b): self.a, self.b = a, b
        class Mixed(Slotted):
            pass
        @dataclasses.dataclass
        class Data:
            a: float
            b: list
            other: int = 1
        @dataclasses.dataclass(slots=True)
        class SlottedData(Data):
            c: int = 3
        @dataclasses.dataclass(frozen=True)
        class Frozen:
            a: float
            b: list
            other: int = 1
        @dataclasses.dataclass(frozen=True, slots=True)
        class FrozenSlots:
            a: float
            b: list
            other: int = 1
        class AttrDict(dict):
            __getattr__ = dict.__getitem__
            __setattr__ = dict.__setitem__
        class Callable:
            def __init__(self, a, b): self.a, self.b = a, b
            def __call__(self): return self
        s = {make}
        if isinstance(s, Exception):
            s.a, s.b = 2.0, [1.0]
        def f(x):
            return x * s.a + s.b[0]
        """,
        change,
        "s.b[0] = 4.0",
        Quiet(undo),
        Quiet("object.__setattr__(s, 'other', 5) if not isinstance(s, dict) else s.update(other=5)"),
        "s = types.SimpleNamespace(a=1.0, b=[2.0])",
        "del s.a",
        eager="AttrDict" in make,
    )


def test_attributes_that_appear_and_vanish(check: Check) -> None:
    check(
        """
        class Holder: pass
        h = Holder()
        def f(x):
            x = x * getattr(h, "scale", 2.0)
            if hasattr(h, "shift"):
                x = x + h.shift
            try:
                x = x - h.less
            except AttributeError:
                x = x.relu()
            return x * h.__dict__.get("last", 1.0)
        """,
        "h.scale = 3.0",
        "h.shift = 1.0",
        "h.less = 0.5",
        "h.last = 4.0",
        Quiet("h.unread = 4.0"),
        "h.less = 0.7",
        "del h.scale",
        "del h.shift",
        "Holder.shift = 9.0",
        "del h.less",
        "Holder.less = 2.0",
        "del h.last",
        Quiet("del h.unread"),
    )


def test_attributes_of_a_module_that_appear(check: Check) -> None:
    check(
        """
        import torch
        class Net(torch.nn.Module):
            def forward(self, x):
                x = x * getattr(self, "scale", 2.0)
                if hasattr(self, "head"):
                    x = self.head(x)
                return x + (1 if getattr(self, "mask", None) is None else self.mask)
        net = Net()
        """,
        "net.scale = 3.0",
        "net.head = torch.nn.Linear(4, 4)",
        "net.register_buffer('mask', torch.randn(4))",
        "net.mask = torch.randn(4)",
        "del net.head",
        "Net.head = staticmethod(torch.tanh)",
        "del net.mask",
        target="net",
    )


def test_properties(check: Check) -> None:
    check(
        """
        import functools
        SCALE = 2.0
        class C:
            def __init__(self): self._k = 1.0
            @property
            def k(self): return self._k * SCALE
            @functools.cached_property
            def kept(self): return self._k + 1
        c = C()
        def f(x):
            return x * c.k + c.k
        """,
        "c._k = 3.0",
        "SCALE = 4.0",
        "C.k = property(lambda self: 9.0)",
        "C.k = 8.0",
        "c.k = 7.0",
        Quiet("c.unread = 1"),
    )


def test_cached_property(check: Check) -> None:
    check(
        """
        import functools
        class C:
            def __init__(self): self._k = 1.0
            @functools.cached_property
            def kept(self): return self._k + 1
        c = C()
        c.kept
        def f(x):
            return x * c.kept
        """,
        "c._k = 3.0",
        "del c.__dict__['kept']\nc.kept",
        "c.kept = 5.0",
        "C.kept = 9.0",
        eager=True,
    )


def test_property_of_a_module(check: Check) -> None:
    check(
        """
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.base, self.cfg = 2.0, {"k": 1.0}
            @property
            def scale(self): return self.base * self.cfg["k"]
            def forward(self, x): return x * self.scale
        net = Net()
        """,
        "net.base = 3.0",
        "net.cfg['k'] = 4.0",
        "Net.scale = property(lambda self: self.base)",
        target="net",
    )


def test_weak_references(check: Check) -> None:
    check(
        """
        import gc, weakref
        class C:
            k = 3.0
        c = C()
        ref = weakref.ref(c)
        table = weakref.WeakValueDictionary(a=c)
        def f(x):
            o = ref()
            x = x * 2 if o is None else x * o.k
            return x + len(table)
        """,
        "c.k = 4.0",
        "del c; gc.collect()",
        "c = C(); ref = weakref.ref(c)",
        "table['b'] = c",
        eager=True,
    )


def test_weak_proxy(check: Check) -> None:
    check(
        """
        import gc, weakref
        class C:
            k = 3.0
        c = C()
        proxy = weakref.proxy(c)
        def f(x):
            return x * proxy.k
        """,
        "c.k = 4.0",
        "del c; gc.collect()",
        eager=True,
    )


def test_state_in_generators_and_sourceless_code(check: Check) -> None:
    """Code that is not interpreted reads state too."""
    check(
        """
        SCALES, K, CFG = [2.0, 3.0], 1.0, {"a": 5.0}
        class Holder: pass
        h = Holder()
        h.k = 1.0
        def scales():
            for s in SCALES:
                yield s * K + CFG["a"]
        space = {"CFG": CFG, "h": h}
        exec("def hidden(): return CFG['a'] + h.k", space)
        hidden = space["hidden"]
        def f(x):
            for s in scales():
                x = x * s
            return x + hidden() + sum(k for k in SCALES)
        """,
        "SCALES[0] = 5.0",
        "K = 2.0",
        "CFG['a'] = 1.0",
        "h.k = 4.0",
        "SCALES.append(0.5)",
        "space['h'] = type('H', (), {'k': 6.0})",
        "def scales():\n    yield 1.0",
        "space['CFG'] = {'a': 0.0}",
        eager=True,
    )


def test_what_sourceless_code_asks_of_modules_and_functions(check: Check) -> None:
    check(
        """
        import os, sys, types
        os.environ.pop("JIC_TEST_SCALE", None)
        settings = types.ModuleType("settings")
        def noted(): pass
        space = {"os": os, "sys": sys, "settings": settings, "noted": noted}
        exec(
            "def scale(): return float(os.environ.get('JIC_TEST_SCALE', '2'))\\n"
            "def note(): return getattr(noted, 'note', 3.0)\\n"
            "def flag(): return 5.0 if hasattr(settings, 'flag') else 1.0\\n"
            "def paths(): return len(sys.path)", space)
        def f(x):
            return x * space["scale"]() + space["note"]() - space["flag"]() * space["paths"]()
        """,
        "os.environ['JIC_TEST_SCALE'] = '1.5'",
        "noted.note = 7.0",
        "settings.flag = False",
        "sys.path.append('/nowhere')",
        "sys.path.pop()",
        "del noted.note; os.environ.pop('JIC_TEST_SCALE', None)",
    )


@pytest.mark.parametrize("code", ["match", "class", "star"])
def test_statements_left_to_python(check: Check, code: str) -> None:
    bodies = {
        "match": "match CFG:\n        case {'a': k}:\n            return k\n        case _:\n            return 7.0",
        "class": "class Inner:\n        k = CFG['a']\n    return Inner.k",
        "star": "try:\n        return CFG['a']\n    except* KeyError:\n        k = 7.0\n    return k",
    }
    check(
        f"CFG = {{'a': 2.0}}\ndef helper():\n    {bodies[code]}\ndef f(x):\n    return x * helper()\n",
        "CFG['a'] = 3.0",
        "CFG['b'] = 3.0",
        "del CFG['a']",
        "CFG = {'a': 4.0}",
        eager=True,
    )


def test_memoised_functions(check: Check) -> None:
    check(
        """
        import functools
        K = [2.0]
        @functools.lru_cache
        def scale(n): return K[0] * n
        def f(x):
            return x * scale(3)
        """,
        "K[0] = 5.0",
        "scale.cache_clear()",
        "K[0] = 7.0",
        eager=True,
    )
    check(
        """
        import functools
        @functools.singledispatch
        def apply(v, x): return x * 2
        v = 1
        def f(x):
            return apply(v, x)
        """,
        "@apply.register(int)\ndef _(v, x): return x * 3",
        "v = 'a'",
        "@apply.register(str)\ndef _(v, x): return x * 4",
        eager=True,
    )
