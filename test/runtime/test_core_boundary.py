"""The core of the native runtime knows neither Python nor torch; the glue knows both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NATIVE = Path(__file__).resolve().parents[2] / "python/jic/runtime/native"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
# What the core may name besides its own headers: the C++ and C libraries and the system's.
SYSTEM = {
    "algorithm", "array", "atomic", "cerrno", "chrono", "cmath", "condition_variable", "cstddef", "cstdint", "cstdio",
    "cstdlib", "cstring", "exception", "fstream", "iterator", "memory", "mutex", "new", "numeric", "set", "shared_mutex",
    "sstream", "stdexcept", "string", "string_view", "system_error", "thread", "unordered_map", "unordered_set",
    "utility", "vector", "dlfcn.h", "fcntl.h", "immintrin.h", "locale.h", "pthread.h", "sched.h", "stddef.h", "stdint.h",
    "sys/mman.h", "sys/stat.h", "unistd.h",
}  # fmt: skip


def sources(folder: str) -> list[Path]:
    found = sorted(p for p in (NATIVE / folder).rglob("*") if p.suffix in (".h", ".cpp"))
    assert found, f"{folder} holds no source"
    return found


def includes(path: Path) -> list[tuple[str, str]]:
    """("<" or '"', name) of each."""
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sources("core"), ids=lambda p: p.name)
def test_core_includes_itself_and_the_system(path: Path) -> None:
    own = {p.name for p in sources("core")}
    for kind, name in includes(path):
        assert name in (own if kind == '"' else SYSTEM), f"{path.name} includes {name}"


@pytest.mark.parametrize("path", sources("core"), ids=lambda p: p.name)
def test_core_names_nothing_of_python(path: Path) -> None:
    """A name could come without its header."""
    found = re.search(r"\bPy[A-Z]\w*|\bnanobind\b|\b(?:at|c10|torch)::", path.read_text(encoding="utf-8"))
    assert found is None, f"{path.name} names {found.group()}"


def test_glue_reaches_the_core_by_its_folder() -> None:
    """So that a reader sees what comes from where; and no header has the name of another."""
    core, glue = ({p.name for p in sources(folder)} for folder in ("core", "glue"))
    assert core & glue == set()
    for path in sources("glue"):
        for kind, name in includes(path):
            assert kind == "<" or name in glue or name.removeprefix("../core/") in core, f"{path.name} includes {name}"


def test_no_file_lies_outside_the_rooms_or_is_too_long() -> None:
    assert [p.name for p in NATIVE.iterdir() if p.is_file()] == []
    for path in (*sources("core"), *sources("glue")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, path.name


def test_headers_do_not_run_in_circles() -> None:
    headers = {
        p.name: [n for k, n in includes(p) if k == '"']
        for f in ("core", "glue")
        for p in sources(f)
        if p.suffix == ".h"
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' → '.join((*path, name))}"
        if name not in done:
            for other in headers[name]:
                visit(other.removeprefix("../core/"), (*path, name))
        done.add(name)

    for name in headers:
        visit(name, ())


def test_the_check_sees_includes(tmp_path: Path) -> None:
    path = tmp_path / "x.cpp"
    path.write_text('#include <Python.h>\n  #  include "torch_api.h"\nint x;  // #include <no>\n')
    assert includes(path) == [("<", "Python.h"), ('"', "torch_api.h")]
