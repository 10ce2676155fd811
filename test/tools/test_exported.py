"""`jic export`, `jic inspect`, and `jic run` of an exported file, in process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from jic.tools.cli import main

SOURCE = """
import torch
SCALE = 0.25
def both(x, y, times=2):
    return {"sum": (x + y) * times * SCALE, "parts": [x.sort(-1).values, times]}
def net():
    return torch.nn.Linear(8, 4).eval()
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    path = tmp_path / "target_file.py"
    path.write_text(SOURCE)
    return str(path)


def export(target: str, name: str, path: Path, *arguments: str) -> None:
    assert main(["export", f"{target}:{name}", "-o", str(path), *arguments, "--no-cache"]) == 0


def test_export_inspect_and_run(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "both.jic"
    calls = ("-i", "f32[3,5]", "-i", "f32[3,5]", "-i", "4", "--numbers", "--also", "f64[2] f64[2] 1")
    export(target, "both", path, *calls, "--to", "cpu", "--to", "cpu:x86-64-v3")
    assert str(path) in capsys.readouterr().out
    assert main(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    for part in (
        "function both, exported by jic", "all checksums match", "signature 0", "signature 1: (float64[2], float64[2], int)",
        "argument x: float32[3, 5]", "argument times: any int", "'parts': list(float32[3, 5], tensor 2 of the call)",
        "program for cpu host", "program for cpu x86-64-v3", "calls ATen, so it needs torch: aten.sort.default",
        "'SCALE' of the module jic_target_target_file", "= 0.25", "target_file.py:4",
    ):  # fmt: skip
        assert part in text, text
    x, y = torch.randn(3, 5), torch.randn(3, 5)
    np.savez(tmp_path / "named.npz", y=y.numpy(), x=x.numpy())
    np.savez(tmp_path / "numbered.npz", x.numpy(), y.numpy())
    safetensors.torch.save_file({"x": x, "y": y}, tmp_path / "named.safetensors")
    out = tmp_path / "out.npz"
    for name, times in (("named.npz", "times=6"), ("named.safetensors", "times=6"), ("numbered.npz", "6")):
        assert main(["run", str(path), "-i", str(tmp_path / name), "-i", times, "-o", str(out)]) == 0
        with np.load(out) as found:
            assert found["parts.1"] == 6 and np.array_equal(found["parts.0"], x.sort(-1).values.numpy())
            np.testing.assert_allclose(found["sum"], ((x + y) * 1.5).numpy(), rtol=1e-6)
    assert main(["run", str(path), "-i", "f64[2]", "-i", "f64[2]", "-i", "1"]) == 0
    text = capsys.readouterr().out
    assert "sum  float64[2]" in text and "parts.1  1" in text


def test_a_module(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "net.jic", tmp_path / "out.safetensors"
    export(target, "net", path, "-i", "f32[2,8]", "--torch-free")
    assert main(["inspect", str(path), "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "parameter weight: float32[4, 8]" in text and "only while 1 modules are in evaluation mode" in text
    assert main(["run", str(path), "-i", "f32[2,8]", "-o", str(out)]) == 0
    assert safetensors.torch.load_file(out)["result"].shape == (2, 4)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "nowhere.jic"], "cannot read nowhere.jic"),
        (["inspect", "{target}"], "not a file that jic.export wrote"),
        (["export", "{target}:both", "-i", "f32[2]"], "would run eagerly"),
        (["export", "{target}:both", "-i", "f32[2]", "-i", "f32[2]", "--torch-free"], "aten.sort.default"),
        (["export", "{target}:net", "-i", "f32[2,8]", "--to", "tpu"], "target 'tpu' is not known"),
        (["run", "{file}", "-i", "f32[3,8]"], "argument 0 is float32[3, 8], expected float32[2, 8]"),
        (["run", "{file}", "-i", "{target}"], "cannot read the input"),
        (["run", "{file}", "-i", "nowhere.npz"], "cannot read the inputs nowhere.npz"),
        (["run", "{file}", "-i", "f32[2,8]", "-o", "x.txt"], "expected a name that ends with .npz or .safetensors"),
        (["run", "{target}:net", "-i", "f32[2,8]", "-o", "x.npz"], "--output is for exported files"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], text: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.jic"
    if "{file}" in arguments:
        export(target, "net", file, "-i", "f32[2,8]")
        capsys.readouterr()
    arguments = [a.format(target=target, file=file) if a[0] == "{" else a for a in arguments]
    if arguments[0] == "export":
        arguments += ["-o", str(file)]
    assert main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("jic: error: ") and text in lines[0], lines
