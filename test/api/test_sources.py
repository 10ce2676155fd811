"""Digests of a user's code: what they change with, and what not."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jic.api.sources import digest_of

HEADER = """
import logging, math, re, functools, threading, numpy
from dataclasses import dataclass, field
from collections import deque
LOG, LOCK = logging.getLogger("x"), threading.Lock()
"""
# (source, text in it, what takes its place): with it the digest of `P` is another one.
CHANGES = {
    "constant": ("class P:\n    def apply(self): return 1", "return 1", "return 2"),
    "operator": ("class P:\n    def apply(self, x): return x + 1", "x + 1", "x - 1"),
    "type of a constant": ("class P:\n    def apply(self): return 1", "return 1", "return 1.0"),
    "attribute": ("class P:\n    limit = 3\n    def apply(self): return self.limit", "= 3", "= 4"),
    "default": ("class P:\n    def apply(self, n=3): return n", "n=3", "n=4"),
    "keyword default": ("class P:\n    def apply(self, *, n=3): return n", "n=3", "n=4"),
    "global": ("N = [1, 2]\nclass P:\n    def apply(self): return N", "[1, 2]", "[1, 3]"),
    "dict": ("N = {'a': {1.5}}\nclass P:\n    def apply(self): return N", "1.5", "2.5"),
    "pattern": ("N = re.compile('a')\nclass P:\n    def apply(self): return N", "'a'", "'b'"),
    "queue": ("N = deque([1])\nclass P:\n    def apply(self): return N", "[1]", "[2]"),
    "array": ("N = numpy.arange(3.0)\nclass P:\n    def apply(self): return N", "3.0", "4.0"),
    "helper": ("def h(): return 1\nclass P:\n    def apply(self): return h()", "return 1", "return 2"),
    "helper's helper": (
        "def g(): return 1\ndef h(): return g()\nclass P:\n    def apply(self): return h()", "return 1", "return 2",
    ),
    "inner function": (
        "class P:\n    def apply(self):\n        def g(): return 1\n        return g()", "return 1", "return 2",
    ),
    "closure": (
        "def make(n):\n    class P:\n        def apply(self): return n\n    return P\nP = make(3)", "make(3)", "make(4)",
    ),
    "base": ("class B:\n    n = 1\nclass P(B):\n    pass", "n = 1", "n = 2"),
    "static method": ("class P:\n    @staticmethod\n    def f(): return 1", "return 1", "return 2"),
    "class method": ("class P:\n    @classmethod\n    def f(cls): return 1", "return 1", "return 2"),
    "property": ("class P:\n    @property\n    def f(self): return 1", "return 1", "return 2"),
    "cached": ("@functools.cache\ndef h(): return 1\nclass P:\n    def f(self): return h()", "return 1", "return 2"),
    "partial": (
        "h = functools.partial(max, 1)\nclass P:\n    def f(self): return h()", "max, 1", "max, 2",
    ),
    "object": (
        "class C:\n    pass\nc = C()\nc.n = 1\nclass P:\n    def f(self): return c.n", "c.n = 1", "c.n = 2",
    ),
    "object with slots": (
        "class C:\n    __slots__ = ('n',)\nc = C()\nc.n = 1\nclass P:\n    def f(self): return c.n", "c.n = 1", "c.n = 2",
    ),
    "option": ("@dataclass(frozen=True)\nclass P:\n    n: int = 1", "= 1", "= 2"),
    "option's factory": (
        "@dataclass\nclass P:\n    n: list = field(default_factory=lambda: [1])", "[1]", "[2]",
    ),
    "exception handler": (
        "class P:\n    def f(self):\n        try: return 1\n        except ValueError: return 2", "ValueError", "KeyError",
    ),
}  # fmt: skip


@pytest.fixture
def module() -> Iterator[Any]:
    """Makes a module of a source, always under the same name."""
    name = "user_code_of_a_test"

    def make(source: str, filename: str = "user.py") -> types.ModuleType:
        made = types.ModuleType(name)
        sys.modules[name] = made
        exec(compile(HEADER + source, filename, "exec"), made.__dict__)
        return made

    yield make
    sys.modules.pop(name, None)


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_seen(module: Any, kind: str) -> None:
    source, old, new = CHANGES[kind]
    first, again, moved, changed = (
        digest_of([module(text, name).P])
        for text, name in (
            (source, "a.py"),
            (source, "a.py"),
            ("# a line more\n\n" + source, "elsewhere.py"),
            (source.replace(old, new), "a.py"),
        )
    )
    assert first == again == moved and first != changed


def test_what_is_not_named_does_not_matter(module: Any) -> None:
    source = "def other(): return {}\nM = {}\nclass P:\n    def apply(self): LOG.info('x'); LOCK.acquire(); math.sin(1)"
    assert digest_of([module(source.format(1, 2)).P]) == digest_of([module(source.format(3, 4)).P])


def test_modules_of_the_user(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is imported at the top or in the function, as a whole or in parts, from a package or not."""
    package = tmp_path / "user_package_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    forms = (
        "import user_package_of_a_test.help as h\nclass P:\n    def apply(self): return h.limit()",
        "import user_package_of_a_test.help\nclass P:\n    def apply(self): return user_package_of_a_test.help.limit()",
        "class P:\n    def apply(self):\n        from user_package_of_a_test.help import limit\n        return limit()",
        "class P:\n    def apply(self):\n        from user_package_of_a_test import help\n        return help.limit()",
        "__package__ = 'user_package_of_a_test'\n"
        "class P:\n    def apply(self):\n        from .help import limit\n        return limit()",
    )
    found: list[list[str]] = []
    for value in (1, 1, 2):
        (package / "help.py").write_text(f"def limit(): return {value}\n")
        digests = []
        for form in forms:
            for name in [n for n in sys.modules if n.startswith("user_package_of_a_test")]:
                del sys.modules[name]
            monkeypatch.setattr(sys, "dont_write_bytecode", True)
            digests.append(digest_of([module(form).P]))
        found.append(digests)
    assert found[0] == found[1]
    assert not set(found[0]) & set(found[2])


def test_cycles_and_shared_parts(module: Any) -> None:
    source = "N = [1]\nN.append(N)\ndef a(): return b(), N\ndef b(): return a(), N\nclass P:\n    f = a"
    assert digest_of([module(source).P]) == digest_of([module(source).P])


def test_what_cannot_be_compared_is_another_each_time(module: Any) -> None:
    source = "N = memoryview(b'a')\nclass P:\n    def f(self): return N"
    assert digest_of([module(source).P]) != digest_of([module(source).P])


def test_libraries_count_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy

    before = digest_of([functools.partial(numpy.pad, 3)])
    monkeypatch.setattr(numpy, "__version__", "0")
    assert digest_of([functools.partial(numpy.pad, 3)]) != before
