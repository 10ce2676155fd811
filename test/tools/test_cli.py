"""The `jic` command, in process."""

from __future__ import annotations

from pathlib import Path

import pytest

from jic.tools.cli import main

SOURCE = """
import torch
def chain(a, b):
    return torch.relu(a * b + 1)
def cut(x):
    return x[: int(x.sum())]
def net():
    return torch.nn.Linear(8, 4).eval()
number = 3
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    path = tmp_path / "target_file.py"
    path.write_text(SOURCE)
    return str(path)


def test_explain(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", f"{target}:chain", "-i", "f32[4,8]", "-i", "f32[4,8]", "--no-cache"]) == 0
    text = capsys.readouterr().out
    assert "1 kernels" in text and "mul, add, relu" in text.replace("constant, ", "")


def test_run_and_bench(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"{target}:net", "-i", "f32[2,8]", "--seconds", "0.01", "--no-cache"]) == 0
    assert "as in eager" in capsys.readouterr().out
    assert main(["bench", f"{target}:chain", "-i", "f32[9]", "-i", "f32[9]", "--seconds", "0.01"]) == 0
    assert "eager" in capsys.readouterr().out


@pytest.mark.parametrize(("stage", "text"), [("torch", "torch.aten"), ("kernels", "jic.fused"), ("cpu", "jic.launch")])
def test_ir(target: str, stage: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ir", f"{target}:chain", "-i", "f32[9]", "-i", "f32[9]", "--stage", stage, "--no-cache"]) == 0
    assert text in capsys.readouterr().out


def test_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--dir", str(tmp_path)]) == 0
    assert "entries    0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "nowhere.py:f"],
        ["explain", "json:number"],
        ["explain", "{target}:number"],
        ["explain", "{target}"],
        ["run", "{target}:chain", "-i", "q7[3]"],
        ["run", "{target}:chain", "-i", "f32[3]"],
        ["ir", "{target}:cut", "-i", "f32[3]", "--no-cache"],
        ["explain", "{target}:cut", "-i", "f32[3]", "--strict", "--no-cache"],
        ["frobnicate"],
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_input_is_one_line(arguments: list[str], target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([a.replace("{target}", target) for a in arguments]) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[-1].startswith("jic: error: ") and len(errors) == 1
