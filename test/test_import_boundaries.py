"""The rooms stay apart: what `docs/architecture.md` says that a room must never import, it does not import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("dialects", "passes", "frontend", "targets", "runtime", "api", "tools")
FOLDERS = {room: ROOT / (room if room in ("dialects", "passes", "tools") else f"python/jic/{room}") for room in ROOMS}

# What each room must never import, as module names; `X` also stands for `X.anything`.
FORBIDDEN = {
    "dialects": ("jic.passes", "jic.targets", "jic.frontend", "jic.runtime", "jic.api", "jic.tools", "torch"),
    "passes": ("jic.targets", "jic.frontend", "jic.runtime", "jic.api", "jic.tools", "torch"),
    "frontend": ("jic.passes", "jic.targets", "jic.runtime", "jic.api", "jic.tools"),
    "targets": ("jic.frontend", "jic.api", "jic.tools", "torch"),
    "runtime": ("torch_mlir", "llvmlite", *(f"jic.{room}" for room in ROOMS if room != "runtime")),
    "errors": ("jic", "torch", "torch_mlir", "llvmlite"),
}
# The same for the rooms of `targets`, each of which also stands for what is in it.
TARGET_ROOMS = {
    "ir": ("kernel", "program", "gpu", "cpu", "cuda", "vulkan", "target", "pipelines", "passes"),
    "kernel": ("program", "gpu", "cpu", "cuda", "vulkan", "target", "pipelines", "passes"),
    "program": ("gpu", "cpu", "cuda", "vulkan", "target", "pipelines", "passes"),
    "gpu": ("cpu", "cuda", "vulkan", "passes"),
    "cpu": ("gpu", "cuda", "vulkan", "passes"),
    "cuda": ("cpu", "vulkan", "passes"),
    "vulkan": ("cpu", "cuda", "passes"),
}
# What the API and the tools may know of targets.
TARGET_FACE = {"jic.targets", "jic.targets.lookup", "jic.targets.NAMES", "jic.targets.passes"}
TARGET_FACE |= {"jic.targets.target.Target", "jic.targets.target.Compiled", "jic.targets.pipelines.joined"}
# Files that still import one another in a circle, by the rooms that they are in; these lists only get shorter.
CIRCLES_LEFT = ("jic.frontend.control.",)
# Rooms from which modules with a leading underscore are still imported by other rooms.
PRIVATE_LEFT = ("jic.passes.", "jic.dialects.")
# `jic-opt` itself starts without torch; `jic`, the command that compiles models, is an API client.
OPT_MODULES = ("opt", "options", "diagnostics", "driver", "source")


def imports(path: Path, package: str) -> list[tuple[str, int]]:
    """All modules that the file imports, anywhere in it, with their lines; `package` is the file's own."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")
                parent = parent[: len(parent) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            # `from jic import passes` imports jic.passes.
            found += [(f"{base}.{alias.name}", node.lineno) for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found += [(str(a.value), node.lineno) for a in node.args[:1] if isinstance(a, ast.Constant)]
    return found


def violations(paths: list[Path], folder: Path, package: str, forbidden: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for path in paths:
        own = ".".join([package, *path.relative_to(folder).parent.parts])
        for module, line in imports(path, own):
            if any(module == name or module.startswith(f"{name}.") for name in forbidden):
                found.append(f"{path.relative_to(ROOT)}:{line}: imports {module}")
    return found


@pytest.mark.parametrize("room", [room for room in FORBIDDEN if room != "errors"])
def test_room_imports_nothing_forbidden(room: str) -> None:
    folder = FOLDERS[room]
    paths = sorted(folder.rglob("*.py"))
    assert paths, f"{folder} holds no Python file"
    assert violations(paths, folder, f"jic.{room}", FORBIDDEN[room]) == []


def test_errors_is_a_leaf() -> None:
    folder = ROOT / "python/jic"
    assert violations([folder / "errors.py"], folder, "jic", FORBIDDEN["errors"]) == []


def test_budget_knows_errors_only() -> None:
    folder = ROOT / "python/jic"
    found = imports(folder / "budget.py", "jic")
    assert [name for name, _ in found if name.startswith("jic")] == ["jic.errors.BudgetError"]


def test_jic_opt_imports_no_more_than_it_needs() -> None:
    folder = FOLDERS["tools"]
    paths = [folder / f"{name}.py" for name in OPT_MODULES]
    # `jic.targets.passes` registers the targets' passes, which import their target when they run.
    forbidden = ("jic.frontend", "jic.targets.cpu", "jic.targets.cuda", "jic.runtime", "jic.api", "torch")
    assert violations(paths, folder, "jic.tools", forbidden) == []


@pytest.mark.parametrize("room", TARGET_ROOMS)
def test_rooms_of_targets(room: str) -> None:
    folder = FOLDERS["targets"] / room
    paths = sorted(folder.rglob("*.py"))
    assert paths, f"{folder} holds no Python file"
    forbidden = tuple(f"jic.targets.{other}" for other in TARGET_ROOMS[room])
    assert violations(paths, folder, f"jic.targets.{room}", forbidden) == []


@pytest.mark.parametrize("room", ["api", "tools"])
def test_targets_are_known_by_their_face(room: str) -> None:
    folder = FOLDERS[room]
    found = []
    for path in sorted(folder.rglob("*.py")):
        package = ".".join([f"jic.{room}", *path.relative_to(folder).parent.parts])
        for module, line in imports(path, package):
            if module.startswith("jic.targets") and module not in TARGET_FACE:
                found.append(f"{path.relative_to(ROOT)}:{line}: imports {module}")
    assert found == []


def all_modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found: dict[str, Path] = {}
    for folder, package in [(ROOT / "python/jic", "jic"), *((FOLDERS[r], f"jic.{r}") for r in ROOMS)]:
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            if package == "jic" and parts[0] in ("dialects", "passes", "tools"):  # links to the rooms
                continue
            found[".".join([package, *(p for p in parts if p != "__init__")])] = path
    return found


def graph(modules: dict[str, Path]) -> dict[str, set[str]]:
    """For each module those of `modules` that it imports, wherever in it, and for types only too."""
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name] = set()
        for module, _ in imports(path, package):
            if module.endswith("._native"):
                continue
            while module and module not in modules:
                module = module.rpartition(".")[0]
            found[name] |= {module} - {"", name}
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan's strongly connected components of more than one)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(edges[name]):
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in edges:
        if name not in number:
            visit(name)
    return found


def test_no_files_import_each_other_in_a_circle() -> None:
    found = circles(graph(all_modules()))
    assert [group for group in found if not all(name.startswith(CIRCLES_LEFT) for name in group)] == []


def test_the_check_finds_circles() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]


def private_imports() -> list[tuple[str, str]]:
    """(module, what it imports) where that begins with an underscore and is of another folder."""
    found = []
    for name, others in graph(all_modules()).items():
        for other in others:
            folder, _, last = other.rpartition(".")
            if last.startswith("_") and name != folder and name.rpartition(".")[0] != folder:
                found.append((name, other))
    return sorted(found)


def test_private_modules_stay_in_their_folder() -> None:
    found = private_imports()
    assert [pair for pair in found if not (pair[0].startswith(PRIVATE_LEFT) and pair[1].startswith(PRIVATE_LEFT))] == []


def test_files_of_targets_are_short() -> None:
    for path in FOLDERS["targets"].rglob("*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 450, f"{path.relative_to(ROOT)} has {lines} lines: it wants a wall"


def loaded_after(code: str) -> set[str]:
    """The modules of a fresh process after `code`."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_jic_opt_starts_without_torch() -> None:
    modules = loaded_after("from jic.tools.opt import main\nassert main(['--list-passes']) == 0")
    assert "jic.passes.registry" in modules
    assert {"torch", "llvmlite", "jic.targets.cpu"} & modules == set()


def test_runtime_starts_without_the_compiler() -> None:
    modules = loaded_after("import jic.runtime")
    assert {"torch_mlir", "llvmlite", "jic.dialects", "jic.passes", "jic.targets"} & modules == set()


def test_the_check_sees_every_form_of_import(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / "file.py"
    path.write_text(
        "import torch\nfrom jic import passes\nfrom ... import api\ndef f():\n    from ..runtime import cache\n"
    )
    assert imports(path, "jic.room.sub") == [
        ("torch", 1),
        ("jic.passes", 2),
        ("jic.api", 3),
        ("jic.room.runtime.cache", 5),
    ]
