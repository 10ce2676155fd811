"""Modules, the environment and the standard library that change between calls."""

from __future__ import annotations

import os
import time

import pytest
from support.twins import Check, Quiet


def test_attribute_of_an_imported_module(check: Check) -> None:
    sources = {
        "cfgmod": """
            SCALE, OTHER, DEEP = 2.0, 1, {"a": [1.0]}
            def shift(x):
                return x + SCALE
            """,
        "main": """
            from . import cfgmod
            def f(x):
                return cfgmod.shift(x) * cfgmod.SCALE + cfgmod.DEEP["a"][0]
            """,
    }
    check(
        sources,
        "cfgmod.SCALE = 3.0",
        Quiet("cfgmod.OTHER = 5"),
        "cfgmod.DEEP['a'][0] = 4.0",
        "cfgmod.shift = lambda x: x - 1",
        "def shift(x): return x * 2\ncfgmod.shift = shift",
        "del cfgmod.SCALE",
        "cfgmod.SCALE = 1.0",
    )


def test_attribute_of_a_submodule_by_full_name(check: Check) -> None:
    sources = {
        "sub": "SCALE = 2.0\nclass C:\n    k = 1.0\n",
        "main": """
            import PKG.sub
            def f(x):
                return x * PKG.sub.SCALE + PKG.sub.C.k
            """,
    }
    check(
        sources,
        "PKG.sub.SCALE = 3.0",
        "PKG.sub.C.k = 2.0",
        "class C:\n    k = 9.0\nPKG.sub.C = C",
        "import types; PKG.sub = types.SimpleNamespace(SCALE=5.0, C=C)",
    )


def test_module_rebound(check: Check) -> None:
    sources = {
        "one": "SCALE = 2.0",
        "two": "SCALE = 5.0",
        "main": """
            from . import one, two
            cfg = one
            def f(x):
                return x * cfg.SCALE
            """,
    }
    check(sources, "cfg = two", "two.SCALE = 6.0", Quiet("one.SCALE = 7.0"), "cfg = one")


def test_names_imported_from_a_module(check: Check) -> None:
    """`from m import NAME` copies: a change in `m` does not count, one in the importer does."""
    sources = {
        "one": """
            SCALE = 2.0
            def helper(x):
                return x * SCALE
            """,
        "main": """
            from .one import SCALE, helper
            from . import one
            def f(x):
                return helper(x) + SCALE
            """,
    }
    check(sources, "one.SCALE = 5.0", "SCALE = 1.0", Quiet("one.helper = None"), "del one.SCALE")


def test_import_inside_the_function(check: Check) -> None:
    sources = {
        "one": "SCALE = 2.0",
        "main": """
            from . import one
            def f(x):
                from PKG import one as inner
                from PKG.one import SCALE
                return x * SCALE + inner.SCALE
            """,
    }
    check(sources, "one.SCALE = 3.0", "del one.SCALE", eager=True)


def test_import_that_fails_at_first(check: Check) -> None:
    check(
        """
        def f(x):
            try:
                from PKG import later
            except ImportError:
                return x + 1
            return x * later.SCALE
        """,
        """
        import sys, types
        sys.modules["PKG.later"] = types.ModuleType("PKG.later")
        sys.modules["PKG.later"].SCALE = 3.0
        sys.modules["PKG"].later = sys.modules["PKG.later"]
        """,
        "sys.modules['PKG.later'].SCALE = 4.0",
        eager=True,
    )


def test_module_getattr(check: Check) -> None:
    sources = {
        "lazy": """
            VALUES = {"SCALE": 2.0}
            def __getattr__(name):
                if name in VALUES:
                    return VALUES[name]
                raise AttributeError(name)
            """,
        "main": """
            from . import lazy
            def f(x):
                return x * lazy.SCALE + hasattr(lazy, "SHIFT")
            """,
    }
    check(sources, "lazy.VALUES['SCALE'] = 3.0", "lazy.VALUES['SHIFT'] = 3.0", "lazy.SCALE = 4.0", eager=True)


def test_environment(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STALE_SCALE", "2.0")
    monkeypatch.delenv("STALE_LATER", raising=False)
    check(
        """
        import os
        def f(x):
            y = x * float(os.environ["STALE_SCALE"]) + float(os.getenv("STALE_LATER", "0"))
            if "STALE_LATER" in os.environ:
                y = y + 1
            return y + float(os.environ.get("STALE_SCALE"))
        """,
        lambda: os.environ.__setitem__("STALE_SCALE", "3.0"),
        lambda: os.environ.__setitem__("STALE_LATER", "4.0"),
        lambda: os.environ.__delitem__("STALE_LATER"),
        lambda: os.environ.__delitem__("STALE_SCALE"),
        eager=True,
    )


def test_constants_of_sys_and_math(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    import math
    import sys

    check(
        """
        import math, sys
        def f(x):
            limit = sys.getrecursionlimit() / 1000
            return x * math.pi + limit + (sys.flags.optimize + 1) + sys.maxsize % 3
        """,
        lambda: monkeypatch.setattr(math, "pi", 3.0),
        lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 500),
        eager=True,
    )
    sys.setrecursionlimit(sys.getrecursionlimit() - 500)


def test_standard_library_module_patched(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    import math

    check(
        """
        import math
        def f(x):
            return x * math.sqrt(4.0) + math.floor(2.5)
        """,
        lambda: monkeypatch.setattr(math, "sqrt", lambda x: 7.0),
        lambda: monkeypatch.setattr(math, "floor", lambda x: 9),
    )


def test_time_is_not_kept(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is patched is state like any other."""
    now = [100.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    check(
        """
        import time
        def f(x):
            return x * time.time()
        """,
        lambda: now.__setitem__(0, 200.0),
        eager=True,
    )
