"""The disk cache: hits across processes, broken entries, unwritable places, races."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from checking import assert_like

import jic

PROGRAM = """
import sys, torch, jic
f = jic.compile(lambda x: torch.relu(x) * 3 + x.sum(), config=jic.JitConfig(cache_dir=sys.argv[1]))
x = torch.arange(-5.0, 5.0)
assert torch.allclose(f(x), torch.relu(x) * 3 + x.sum())
print(f.stats()["signatures"][0]["cached"] or "compiled", "torch_mlir" in sys.modules)
"""


def run(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def result(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.split()


def test_a_second_process_finds_the_artifact_and_loads_no_compiler(tmp_path: Path) -> None:
    assert result(run(tmp_path)) == ["compiled", "True"]
    assert result(run(tmp_path)) == ["cache", "False"]


def test_two_processes_at_once(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    for process in (first, second):
        result(process)
    assert result(run(tmp_path))[0] == "cache"


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "foreign"])
def test_damaged_entries_are_misses(tmp_path: Path, damage: str) -> None:
    config = jic.JitConfig(cache_dir=str(tmp_path))
    x = torch.randn(6)
    jic.compile(lambda x: x * 7 - 1, config=config)(x)
    (entry,) = [p for p in tmp_path.rglob("*") if p.is_file()]
    data = bytearray(entry.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    entry.write_bytes(
        {"truncate": data[: len(data) // 2], "flip": data, "empty": b"", "foreign": b"#!/bin/sh\n"}[damage]
    )
    compiled = jic.compile(lambda x: x * 7 - 1, config=config)
    assert_like(compiled(x), x * 7 - 1)
    assert not compiled.stats()["signatures"][0]["cached"]


def test_unwritable_directory(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    compiled = jic.compile(lambda x: x + 9, config=jic.JitConfig(cache_dir=str(blocked / "sub")))
    assert_like(compiled(torch.ones(2)), torch.full((2,), 10.0))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    compiled = jic.compile(lambda x: x + 9, config=jic.JitConfig(cache_dir=str(tmp_path)))
    assert_like(compiled(torch.ones(2)), torch.full((2,), 10.0))


def test_threads_compile_and_call_at_once() -> None:
    compiled = jic.compile(lambda x: torch.tanh(x @ x.mT).sum(-1))
    failures: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for _ in range(20):
                x = torch.randn(n, n)
                assert_like(compiled(x), torch.tanh(x @ x.mT).sum(-1), factor=20)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in (8, 33, 8, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


PASS = """
from dataclasses import dataclass
from torch_mlir import ir
from jic.dialects import build
from jic.passes.base import Pass, walk
from jic.passes.registry import register

def factor():
    return 2.0

@register
@dataclass(frozen=True)
class Scale(Pass):
    name = "cached-scale"
    by: float = 1.0

    def apply(self, module):
        for op in [op for op in walk(module) if op.name == "jic.exp"]:
            with ir.InsertionPoint.after(op), op.location:
                scaled = build.elementwise("mul", op.result, build.splat_like(op.result, self.by * factor()))
            op.result.replace_all_uses_except(scaled, scaled.owner.operation)
"""
USE = """
import sys, torch, jic, my_pass
config = jic.JitConfig(cache_dir=sys.argv[1], extra_passes={"before-fusion": sys.argv[2]})
f = jic.compile(torch.exp, config=config)
print(f(torch.zeros(3))[0].item(), f.stats()["signatures"][0]["cached"] or "compiled")
"""


def test_a_users_pass_is_part_of_the_key(tmp_path: Path) -> None:
    """Over processes: the same code is found again, other code is not."""
    (tmp_path / "use.py").write_text(USE)

    def use(text: str, code: str = PASS) -> list[str]:
        (tmp_path / "my_pass.py").write_text(code)
        command = [sys.executable, str(tmp_path / "use.py"), str(tmp_path / "cache"), text]
        return result(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))

    assert use("cached-scale") == ["2.0", "compiled"]
    assert use(" cached-scale{by=1.0} ") == ["2.0", "cache"]
    assert use("cached-scale", PASS.replace("return 2.0", "return 5.0")) == ["5.0", "compiled"]


def test_places_and_options_of_passes_are_part_of_the_key(tmp_path: Path) -> None:
    x = torch.randn(3)
    cached = []
    given = [
        ("before-simplify", "jic-cse"),
        ("after-loops", "jic-cse"),
        ("before-simplify", "jic-constant-fold{limit=3}"),
    ]
    for place, text in [*given, ("before-simplify", "jic-constant-fold{limit=4}"), *given]:
        config = jic.JitConfig(cache_dir=str(tmp_path), extra_passes={place: text})
        compiled = jic.compile(lambda x: x.exp() * 3, config=config)
        assert_like(compiled(x), x.exp() * 3)
        cached.append(compiled.stats()["signatures"][0]["cached"])
    whole = jic.JitConfig(cache_dir=str(tmp_path), pipeline="jic-decompose,jic-form-kernels")
    compiled = jic.compile(lambda x: x.exp() * 3, config=whole)
    assert_like(compiled(x), x.exp() * 3)
    assert [*cached, compiled.stats()["signatures"][0]["cached"]] == ["", "", "", "", "cache", "cache", "cache", ""]


def test_a_helper_of_a_fusion_rule_is_part_of_the_key() -> None:
    from jic.api import toolchain
    from jic.passes import rules

    space: dict[str, object] = {"__name__": "user_rules"}
    exec("def kept(op): return 1\ndef rule(op): return kept(op)", space)
    rules.fusion_rule(name="test-key", root="exp")(space["rule"])  # type: ignore[arg-type]
    try:
        before = toolchain.rules_digest()
        assert before == toolchain.rules_digest()
        exec("def kept(op): return 2", space)
        assert toolchain.rules_digest() != before
    finally:
        rules.unregister("test-key")
