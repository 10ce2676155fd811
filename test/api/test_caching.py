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
