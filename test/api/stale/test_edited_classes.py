"""Classes that are edited between calls: attributes, methods, bases, special methods, type checks."""

from __future__ import annotations

import pytest
import torch
from support.twins import Check, Quiet


def test_class_attributes(check: Check) -> None:
    check(
        """
        class Base:
            scale, other, items = 2.0, 1, [1.0]
        class Derived(Base):
            pass
        d = Derived()
        def f(x):
            return x * d.scale + Derived.scale + Base.items[0] + type(d).scale
        """,
        "Base.scale = 3.0",
        Quiet("Base.other = 5"),
        "Base.items[0] = 4.0",
        "Derived.scale = 5.0",
        "Base.scale = 6.0",
        "d.scale = 7.0",
        "del Derived.scale",
        "del d.scale",
        "Base.scale = property(lambda self: 3.0); Derived.scale = 1.0",
        "del Derived.scale, Base.scale",
    )


def test_class_attributes_of_the_receiver_s_module(check: Check) -> None:
    check(
        """
        import torch
        class Base(torch.nn.Module):
            scale = 2.0
            table = {"a": 1.0}
        class Net(Base):
            shift = 1.0
            def forward(self, x):
                return x * self.scale + self.shift + Net.table["a"] + super().scale
        net = Net()
        """,
        "Base.scale = 3.0",
        "Net.scale = 4.0",
        "Net.shift = 5.0",
        "Base.table['a'] = 6.0",
        "net.scale = 7.0",
        "del Base.scale, Net.scale, net.scale",
        target="net",
    )


def test_bases_replaced(check: Check) -> None:
    check(
        """
        class One:
            scale = 2.0
            def shift(self): return 1.0
        class Two:
            scale = 5.0
            def shift(self): return 3.0
        class C(One): pass
        c = C()
        def f(x):
            return x * c.scale + c.shift()
        """,
        "C.__bases__ = (Two,)",
        "Two.scale = 6.0",
        "C.__bases__ = (One, Two)",
        "del One.scale",
    )


def test_class_of_an_object_replaced(check: Check) -> None:
    check(
        """
        class One:
            def apply(self, x): return x * 2
        class Other:
            def apply(self, x): return x - self.k
        class Third(One):
            pass
        o = One()
        o.k = 1.0
        def f(x):
            return o.apply(x) + (1 if isinstance(o, One) else 5) + (type(o) is One) + issubclass(type(o), Other)
        """,
        "o.__class__ = Other",
        "o.k = 4.0",
        "o.__class__ = Third",
        "o = One()",
    )


def test_methods_replaced(check: Check) -> None:
    check(
        """
        class C:
            k = 2.0
            def apply(self, x): return x * self.k
            @staticmethod
            def plain(x): return x + 1
            @classmethod
            def shared(cls, x): return x * cls.k
        c = C()
        def f(x):
            return c.plain(c.apply(x)) - C.shared(x)
        """,
        "C.apply = lambda self, x: x - self.k",
        "def apply(x): return x * 9\nc.apply = apply",
        "def apply(x): return x * 8\nc.apply = apply",
        "del c.apply",
        "C.plain = staticmethod(lambda x: x * 7)",
        "C.shared = classmethod(lambda cls, x: x + cls.k)",
        "C.k = 6.0",
        "C.apply.__code__ = (lambda self, x: x * 3).__code__",
        "del C.apply",
    )


def test_a_bound_method_as_the_callable(check: Check) -> None:
    check(
        """
        class C:
            k = [2.0]
            def apply(self, x): return x * self.k[0] + self.scale()
            def scale(self): return 1.0
        c = C()
        """,
        "C.k[0] = 3.0",
        "C.scale = lambda self: 5.0",
        "c.scale = lambda: 6.0",
        "c.k = [7.0]",
        "c.k[0] = 8.0",
        "C.apply = None",
        target="c.apply",
    )


def test_a_bound_method_kept_elsewhere(check: Check) -> None:
    check(
        """
        class C:
            def __init__(self, k): self.k = k
            def apply(self, x): return x * self.k
        c = C(2.0)
        apply = c.apply
        TABLE = {"a": c.apply, "b": C.apply}
        def f(x):
            return apply(x) + TABLE["a"](x) - TABLE["b"](c, x)
        """,
        "c.k = 3.0",
        "C.apply = lambda self, x: x",
        "TABLE['a'] = C(4.0).apply",
        "TABLE['a'].__self__.k = 6.0",
        "apply = C(5.0).apply",
        "c = C(7.0)",
    )


def test_descriptors(check: Check) -> None:
    check(
        """
        class Field:
            def __init__(self, k): self.k = k
            def __get__(self, obj, owner=None): return self.k * obj.base
        class C:
            field = Field(2.0)
            base = 1.0
        c = C()
        def f(x):
            return x * c.field
        """,
        "C.__dict__['field'].k = 3.0",
        "c.base = 4.0",
        "c.__dict__['field'] = 5.0",
        "Field.__set__ = lambda self, obj, value: None",
        "Field.__get__ = lambda self, obj, owner=None: 6.0",
        "C.field = 7.0",
    )


def test_getattr_methods(check: Check) -> None:
    check(
        """
        class C:
            def __init__(self): self.table = {"k": 2.0}
            def __getattr__(self, name):
                if name == "table":
                    raise AttributeError(name)
                try:
                    return self.table[name]
                except KeyError:
                    raise AttributeError(name)
        c = C()
        def f(x):
            return x * c.k + getattr(c, "later", 1.0)
        """,
        "c.table['k'] = 3.0",
        "c.table['later'] = 4.0",
        "c.k = 5.0",
        "del c.table['later']",
        "C.__getattr__ = lambda self, name: 6.0",
        "del C.__getattr__",
        "C.__getattribute__ = lambda self, name: 7.0",
        "del C.__getattribute__",
    )


def test_getattr_defined_later(check: Check) -> None:
    check(
        """
        class C: pass
        c = C()
        def f(x):
            return x * getattr(c, "k", 2.0) + (1 if hasattr(c, "z") else 0)
        """,
        "C.__getattr__ = lambda self, name: 6.0",
        "c.k = 3.0",
        "del C.__getattr__",
    )


SPECIAL = {
    "__len__": ("return x * len(o)", "return int(self.k)"),
    "__bool__": ("return x * 3 if o else x + 1", "return self.k > 2.5"),
    "__getitem__": ("return x * o[0]", "return self.k"),
    "__contains__": ("return x * 3 if 3.0 in o else x + 1", "return self.k == 3.0"),
    "__eq__": ("return x * 3 if o == 3.0 else x + 1", "return self.k == 3.0"),
    "__lt__": ("return x * 3 if o < 2.5 else x + 1", "return self.k < 2.5"),
    "__iter__": ("for k in o:\n        x = x * k\n    return x", "return iter([self.k, 2.0])"),
    "__call__": ("return x * o(1)", "return self.k"),
    "__float__": ("return x * float(o)", "return self.k"),
    "__index__": ("return x * [1, 2, 3, 4, 5, 6][o]", "return int(self.k)"),
    "__add__": ("return x * (o + 1)", "return self.k"),
    "__mul__": ("return x * (o * 2)", "return self.k"),
    "__radd__": ("return x * (1 + o)", "return self.k"),
    "__neg__": ("return x * -o", "return self.k"),
    "__abs__": ("return x * abs(o)", "return self.k"),
    "__hash__": ("return x * len({o, 3})", "return hash(3) if self.k == 3.0 else 5"),
    "__str__": ("return x * len(str(o))", "return 'a' * int(self.k)"),
    "__enter__": ("with o as k:\n        return x * k", "return self.k"),
    "__reversed__": ("for k in reversed(o):\n        x = x * k\n    return x", "return iter([self.k, 2.0])"),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_methods(check: Check, name: str) -> None:
    body, code = SPECIAL[name]
    exit_ = "\n    def __exit__(self, *info): return False" if name == "__enter__" else ""
    check(
        f"class C:\n    k = 2.0\n    def {name}(self, *args):\n        {code}{exit_}\no = C()\ndef f(x):\n    {body}\n",
        "o.k = 3.0",
        "o.k = 4.0",
        f"def method(self, *args):\n    self = type('S', (), {{'k': 3.0}})\n    {code}\nC.{name} = method",
        "C.k = 5.0",
        f"del C.{name}",
        eager=True,
    )


def test_type_checks(check: Check) -> None:
    check(
        """
        import numbers
        class A: pass
        class B(A): pass
        v = 2
        o = A()
        def f(x):
            if isinstance(v, float):
                x = x * 3
            if isinstance(v, numbers.Number) and not isinstance(v, bool):
                x = x + 1
            if type(o) is A:
                x = x * 2
            if callable(v):
                x = x.relu()
            if issubclass(type(o), B):
                x = x - 1
            return x
        """,
        "v = 2.0",
        "v = True",
        "v = 'a'",
        "v = len",
        "o = B()",
        "v = None",
        "o.__class__ = A",
    )


def test_abstract_registration(check: Check) -> None:
    check(
        """
        import abc
        class Shape(abc.ABC): pass
        class Square: pass
        s = Square()
        def f(x):
            return x * 2 if isinstance(s, Shape) else x + 1
        """,
        "Shape.register(Square)",
        eager=True,
    )


def test_instancecheck(check: Check) -> None:
    check(
        """
        class Meta(type):
            wide = False
            def __instancecheck__(cls, value): return cls.wide
        class C(metaclass=Meta): pass
        def f(x):
            return x * 2 if isinstance(3, C) else x + 1
        """,
        "Meta.wide = True",
        "C.wide = False",
        eager=True,
    )


def test_metaclass_attributes(check: Check) -> None:
    check(
        """
        class Meta(type):
            scale = 2.0
        class C(metaclass=Meta):
            pass
        def f(x):
            return x * C.scale
        """,
        "Meta.scale = 3.0",
        "C.scale = 4.0",
        "del C.scale",
        "Meta.scale = property(lambda cls: 5.0)",
    )


def test_attribute_added_to_torchs_base_class(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        """
        import torch
        class Net(torch.nn.Module):
            def forward(self, x):
                return x * getattr(self, "stale_scale", 2.0)
        net = Net()
        """,
        lambda: monkeypatch.setattr(torch.nn.Module, "stale_scale", 3.0, raising=False),
        lambda: monkeypatch.setattr(torch.nn.Module, "stale_scale", 4.0),
        lambda: monkeypatch.undo(),
        target="net",
    )
