"""Globals, builtins, closures, defaults, functions and imports that change between calls."""

from __future__ import annotations

import builtins

import pytest
from support.twins import Check, Quiet


def test_global_number(check: Check) -> None:
    check(
        """
        SCALE, OTHER = 2.0, 1
        def f(x):
            return x * SCALE + 1
        """,
        "SCALE = 3.0",
        Quiet("OTHER = 2"),
        Quiet("SCALE = float('3.0')"),
        Quiet("SCALE = 2.0"),
        "SCALE = 2",
        "SCALE = True",
        "SCALE = -0.0",
        "SCALE = 0.0",
    )


def test_global_string(check: Check) -> None:
    check(
        """
        MODE = "relu"
        def f(x):
            if MODE == "relu":
                return x.relu() * 2
            return x.tanh() + 1
        """,
        "MODE = 'tanh'",
        Quiet("MODE = ''.join(['ta', 'nh'])"),
        "MODE = 'relu'",
    )


def test_same_number_anew_is_not_compiled_anew(check: Check) -> None:
    """Numbers and strings count by value, wherever they stand."""
    check(
        """
        import types
        CFG = {"k": 1000.5}
        ITEMS = [1000.5, "name"]
        SPACE = types.SimpleNamespace(k=1000.5, big=10**20)
        G = 1000.5
        class A:
            k = 1000.5
        def f(x):
            extra = 1 if ITEMS[1] == "name" else 2
            return x * G * CFG["k"] + ITEMS[0] + SPACE.k + A.k + extra + (SPACE.big > 7)
        """,
        Quiet("G = float('1000.5')"),
        Quiet("CFG['k'] = float('1000.5')"),
        Quiet("ITEMS[0] = float('1000.5')"),
        Quiet("ITEMS[1] = ''.join(['na', 'me'])"),
        Quiet("SPACE.k = float('1000.5')"),
        Quiet("SPACE.big = int('1' + '0' * 20)"),
        Quiet("A.k = float('1000.5')"),
        "A.k = 2000.5",
    )


def test_global_tuple_of_numbers(check: Check) -> None:
    check(
        """
        DIMS = (1, 2.5, ("a", 3))
        def f(x):
            return x * DIMS[1] + DIMS[2][1]
        """,
        "DIMS = (1, 2.5, ('a', 4))",
        Quiet("DIMS = (1, float('2.5'), (''.join(['a']), 4))"),
        "DIMS = (1, 2, ('a', 4))",
    )


def test_deleted_global(check: Check) -> None:
    check(
        """
        SCALE = 2.0
        def f(x):
            return x * SCALE + 1
        """,
        "del SCALE",
        "SCALE = 4.0",
    )


def test_global_that_is_caught_missing(check: Check) -> None:
    check(
        """
        def f(x):
            try:
                return x * LATER
            except NameError:
                return x + 1
        """,
        "LATER = 3.0",
        "LATER = 4.0",
        "del LATER",
    )


def test_globals_function(check: Check) -> None:
    check(
        """
        def f(x):
            scale = globals().get("LATER", 2.0)
            return x * scale + 1
        """,
        "LATER = 3.0",
        "del LATER",
        eager=True,
    )


def test_global_shadows_a_builtin(check: Check) -> None:
    check(
        """
        ITEMS = [1, 2, 3]
        def f(x):
            return x * len(ITEMS) + max(1, 2)
        """,
        "def len(items): return 10",
        "def max(a, b): return 7",
        "del len",
        "del max",
    )


def test_builtin_patched(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def shadow() -> None:
        monkeypatch.setattr(builtins, "stale_scale", 2.0, raising=False)

    shadow()
    check(
        """
        def f(x):
            return x * stale_scale + 1
        """,
        lambda: monkeypatch.setattr(builtins, "stale_scale", 5.0),
        "stale_scale = 7.0",
        "del stale_scale",
    )


def test_builtin_function_patched(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "stale_helper", lambda x: x * 2, raising=False)
    check(
        """
        def f(x):
            return stale_helper(x) + 1
        """,
        lambda: monkeypatch.setattr(builtins, "stale_helper", lambda x: x * 3),
    )


def test_closure_number(check: Check) -> None:
    check(
        """
        def make():
            scale, other = 2.0, 1
            def f(x):
                return x * scale + 1
            def change(value):
                nonlocal scale
                scale = value
            def unrelated(value):
                nonlocal other
                other = value
            def drop():
                nonlocal scale
                del scale
            return f, change, unrelated, drop
        f, change, unrelated, drop = make()
        """,
        "change(3.0)",
        Quiet("unrelated(5)"),
        Quiet("change(2.0)"),
        "drop()",
        "change(7.0)",
    )


def test_closure_of_a_helper(check: Check) -> None:
    check(
        """
        def make():
            box, scale = [2.0], 3.0
            def helper(x):
                return x * box[0] * scale
            def change(value):
                nonlocal scale
                scale = value
            return helper, box, change
        helper, box, change = make()
        def f(x):
            return helper(x) + 1
        """,
        "box[0] = 5.0",
        "change(4.0)",
        "box.append(1)",
        "box[0] = None",
        "box[0] = 2.0",
    )


def test_cell_contents_assigned(check: Check) -> None:
    check(
        """
        def make(scale):
            def f(x):
                return x * scale + 1
            return f
        f = make(2.0)
        """,
        "f.__closure__[0].cell_contents = 3.0",
        "del f.__closure__[0].cell_contents",
        "f.__closure__[0].cell_contents = 4.0",
    )


def test_helper_rebound(check: Check) -> None:
    check(
        """
        def helper(x):
            return x * 2
        def f(x):
            return helper(x) + 1
        """,
        "def helper(x): return x * 3",
        "helper = lambda x: x.relu()",
        "import torch; helper = torch.tanh",
        "import functools, torch; helper = functools.partial(torch.mul, other=4.0)",
        "del helper",
    )


def test_helper_two_levels_down(check: Check) -> None:
    check(
        """
        SCALE = 2.0
        def inner(x):
            return x * SCALE
        def middle(x):
            return inner(x) + 1
        def f(x):
            return middle(x).relu()
        """,
        "def inner(x): return x - SCALE",
        "SCALE = 3.0",
        "def middle(x): return inner(inner(x))",
        "SCALE = 4.0",
    )


def test_decorated_helper(check: Check) -> None:
    check(
        """
        import functools
        FACTOR = 2.0
        def scaled(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs) * FACTOR
            return wrapper
        @scaled
        def helper(x):
            return x + 1
        def f(x):
            return helper(x).relu()
        """,
        "FACTOR = 3.0",
        "helper.__wrapped__ = None",
        "helper.__closure__[0].cell_contents = lambda x: x - 1",
    )


def test_defaults_replaced(check: Check) -> None:
    check(
        """
        def f(x, scale=2.0, *, shift=1.0):
            return x * scale + shift
        """,
        "f.__defaults__ = (3.0,)",
        "f.__kwdefaults__ = {'shift': 5.0}",
        "f.__kwdefaults__['shift'] = 6.0",
        "f.__defaults__ = None",
        "f.__defaults__ = (4.0,)",
        "f.__kwdefaults__ = None",
    )


def test_defaults_of_a_helper_replaced(check: Check) -> None:
    check(
        """
        def helper(x, scale=2.0, *, shift=1.0):
            return x * scale + shift
        def f(x):
            return helper(x).relu()
        """,
        "helper.__defaults__ = (3.0,)",
        "helper.__kwdefaults__ = {'shift': 5.0}",
        "helper.__kwdefaults__['shift'] = 6.0",
        "helper.__defaults__ = None",
    )


def test_mutable_default_changed(check: Check) -> None:
    check(
        """
        DEFAULT = [2.0, 3.0]
        TABLE = {"a": 1.0}
        def helper(x, *, table=TABLE):
            return x + table["a"]
        def f(x, scales=DEFAULT):
            for s in scales:
                x = x * s
            return helper(x)
        """,
        "DEFAULT[0] = 5.0",
        "DEFAULT.append(0.5)",
        "TABLE['a'] = 4.0",
        Quiet("TABLE['other'] = 4.0"),
    )


def test_code_replaced(check: Check) -> None:
    check(
        """
        def helper(x):
            return x * 2
        def f(x):
            return helper(x) + 1
        """,
        """
        def other(x):
            return x * 3
        helper.__code__ = other.__code__
        """,
        """
        def other(x):
            return helper(x) - 7
        f.__code__ = other.__code__
        """,
    )


def test_function_attribute(check: Check) -> None:
    check(
        """
        def f(x):
            return x * f.scale + getattr(f, "shift", 0.0)
        f.scale = 2.0
        """,
        "f.scale = 3.0",
        "f.shift = 1.0",
        "del f.scale",
    )


def test_partial_arguments(check: Check) -> None:
    check(
        """
        import functools
        LIST = [2.0]
        def helper(x, scale, items, shift=0.0):
            return x * scale + items[0] + shift
        g = functools.partial(helper, scale=3.0, items=LIST)
        def f(x):
            return g(x) + 1
        """,
        "LIST[0] = 5.0",
        "g.keywords['scale'] = 4.0",
        "g.keywords['shift'] = 1.0",
        "g = functools.partial(helper, scale=1.0, items=[7.0])",
        "g.__setstate__((helper, (), {'scale': 2.5, 'items': [1.0]}, {}))",
    )


def test_partial_as_the_callable(check: Check) -> None:
    check(
        """
        import functools
        LIST = [2.0]
        def helper(items, x, scale):
            return x * scale + items[0]
        p = functools.partial(helper, LIST, scale=3.0)
        """,
        "LIST[0] = 5.0",
        "p.keywords['scale'] = 4.0",
        "def helper(items, x, scale): return x",
        target="p",
    )


def test_lambda_and_nested_function(check: Check) -> None:
    check(
        """
        SCALES = [2.0, 3.0]
        def f(x):
            scaled = [(lambda y: y * s)(x) for s in SCALES]
            def total():
                return sum(scaled[1:], scaled[0]) + OFFSET
            return total()
        OFFSET = 1.0
        """,
        "SCALES[1] = 7.0",
        "OFFSET = 2.0",
        "SCALES.append(1.0)",
    )
