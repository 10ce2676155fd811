"""What an installed jic must do where there is no compiler: compile, run, differentiate, and its commands."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import torch

import jic


@jic.compile(strict=True)
def chain(x, w):
    return torch.softmax(torch.nn.functional.gelu(x @ w + 1), -1)


@jic.compile(strict=True)
def recurrent(x, h, w):
    outs = []
    for t in range(x.size(1)):
        h = torch.tanh(x[:, t] + h @ w)
        outs.append(h)
    return torch.stack(outs, 1)


def near(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def main() -> None:
    for tool in ("cc", "gcc", "g++", "clang", "ld", "cmake"):
        assert shutil.which(tool) is None, f"{tool} is on the path"
    files = {str(file) for file in importlib.metadata.files("jic") or ()}
    assert "jic/py.typed" in files and not any("/native/" in file for file in files)
    assert {Path(file).name for file in files if "licenses" in file} == {"LICENSE-APACHE", "LICENSE-MIT"}
    assert Path(jic.__file__).is_relative_to(sys.prefix)

    x, w = torch.randn(9, 17), torch.randn(17, 17) / 4
    with torch.no_grad():
        near(chain(x, w), chain.fn(x, w))
        sequence, state = torch.randn(3, 12, 17), torch.zeros(3, 17)
        near(recurrent(sequence, state, w), recurrent.fn(sequence, state, w))
    w.requires_grad_()
    gradient, wanted = (torch.autograd.grad(f(sequence, state, w).sum(), w)[0] for f in (recurrent, recurrent.fn))
    near(gradient, wanted)
    assert not any(entry["eager"] for f in (chain, recurrent) for entry in f.stats()["signatures"])
    for command in (["jic-opt", "--list-passes"], ["jic", "--version"]):
        done = subprocess.run(
            [str(Path(sys.executable).parent / command[0]), *command[1:]], capture_output=True, text=True
        )
        assert done.returncode == 0 and "jic" in done.stdout, done.stderr
    print(f"jic {jic.__version__} works on Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
