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
