"""What a file cannot hold is refused when it is exported, by name; damaged files and other machines when they are loaded."""

from __future__ import annotations

import collections
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checking import assert_like
from torch import nn

import jic
from jic.api.export_weights import Weights
from jic.errors import ArtifactError, ConfigError, DeviceError, ExportError, JicError
from jic.runtime.exported.container import Container, write
from jic.runtime.vulkan import available

X = torch.randn(4, 4)
seen: list[Any] = []
Pair = collections.namedtuple("Pair", "a b")


class Thing:
    pass


def appends(x: torch.Tensor) -> torch.Tensor:
    seen.append(1)
    return x + 1


def prints(x: torch.Tensor) -> torch.Tensor:
    print("x")
    return x + 1


def cut(x: torch.Tensor) -> torch.Tensor:
    return x[: int(x.sum())]


def to_numpy(x: torch.Tensor) -> Any:
    return x.numpy()


def reads_grad_mode(x: torch.Tensor) -> torch.Tensor:
    return x + 1 if torch.is_grad_enabled() else x


class Sub(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("fn", "args", "text"),
    [
        (appends, (X,), "a list that was made outside the compiled function is changed"),
        (prints, (X,), r"print\(\) is called"),
        (to_numpy, (X,), r"numpy\(\) of a tensor"),
        (cut, (X,), "would run eagerly"),
        (reads_grad_mode, (X,), r"torch.is_grad_enabled\(\) is read"),
        (lambda x: Pair(x, x + 1), (X,), "the result is, or holds, a Pair"),
        (lambda x: collections.defaultdict(list, a=x), (X,), "a defaultdict"),
        (lambda x: (Thing(), x), (X,), "the result holds a .*Thing"),
        (lambda p: p.a + p.b, (Pair(X, X),), "a Pair is taken"),
        (lambda t, x: x + 1, (Thing(), X), "a Thing is taken, which is known by its identity"),
        (lambda x: x + 1, (X.to_sparse(),), "sparse"),
        (lambda x: x + 1, (X.as_subclass(Sub),), "a Sub"),
    ],
)
def test_by_name(fn: Callable[..., Any], args: tuple[Any, ...], text: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=text) as caught:
        jic.export(fn, *args, path=tmp_path / "model.jic")
    assert caught.value.code == "JIC012" and list(tmp_path.iterdir()) == []
    assert seen == []


def test_aten_steps_without_torch(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"these steps call ATen: aten\.sort\.default") as caught:
        jic.export(lambda x: x.sort().values + 1, X, path=tmp_path / "model.jic", torch_free=True)
    assert "test_export_refusals.py" in caught.value.location


def test_numbers_that_cannot_be_inputs(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="a number that is only known at run time"):
        jic.export(lambda x, n: x.reshape(n, -1), X, 2, numbers=True, path=tmp_path / "model.jic")


def test_weights_that_a_file_cannot_hold(tmp_path: Path) -> None:
    module = nn.Linear(4, 4)
    module.register_buffer("odd", torch.zeros(2, dtype=torch.complex128))
    with pytest.raises(ExportError, match="torch.complex128"):
        jic.export(module, X, path=tmp_path / "model.jic")
    module.odd = torch.zeros(2, device="meta")
    with pytest.raises(ExportError, match="buffer odd is on meta"):
        jic.export(module, X, path=tmp_path / "model.jic")
    module.odd = module.weight.detach()[0]
    weights = Weights(module)
    weights.changed(["bias"])
    with pytest.raises(ValueError, match="odd, which the call changes, shares memory with weight"):
        weights.changed(["odd"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"targets": ("tpu",)}, "target 'tpu' is not known"),
        ({"targets": ("cpu:x86-64-v9",)}, "level 'x86-64-v9' is not known"),
        ({"targets": ()}, "targets are empty"),
        ({"targets": ("cpu", "cpu")}, "named twice"),
        ({"signatures": [(X,)]}, "two signatures are the same"),
        ({"signatures": [X]}, "expected a tuple"),
    ],
)
def test_bad_options(options: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=text):
        jic.export(lambda x: x + 1, X, path=tmp_path / "model.jic", **options)


def test_no_place_for_the_file(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot write"):
        jic.export(lambda x: x + 1, X, path=tmp_path / "nowhere" / "model.jic")


# ---- files ----


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "model.jic"
    module = nn.Sequential(nn.Linear(4, 5), nn.GELU())
    return jic.export(module, X, path=path, targets=("cpu:x86-64-v3", "cpu"))


def rewritten(file: Path, other: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """`file` with its entries changed, checksums and all."""
    container = Container(file)
    changed = {name: change(name, container.read(name)) for name in container.entries}
    write(other, [(name, [data]) for name, data in changed.items() if data is not None])
    return other


def changed_json(part: str, change: Callable[[Any], Any]) -> Callable[[str, bytes], bytes]:
    def change_entry(name: str, data: bytes) -> bytes:
        if not name.endswith(part):
            return data
        form = json.loads(data)
        change(form)
        return json.dumps(form).encode()

    return change_entry


def test_damaged_files_are_refused(file: Path, tmp_path: Path) -> None:
    data, other = file.read_bytes(), tmp_path / "damaged.jic"
    for _ in range(250):
        damaged = bytearray(data)
        match random.randrange(3):
            case 0:
                damaged[random.randrange(len(data))] ^= 1 << random.randrange(8)
            case 1:
                start = random.randrange(len(data))
                damaged[start : start + 40] = random.randbytes(40)
            case 2:
                damaged = damaged[: random.randrange(len(data))]
        if bytes(damaged) == data:
            continue
        other.write_bytes(damaged)
        with pytest.raises(ArtifactError) as caught:
            jic.load(other)
        assert caught.value.code == "JIC008"


def test_other_formats(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jic"
    rewritten(file, other, changed_json("manifest.json", lambda m: m.update(format=2, jic="9.9")))
    with pytest.raises(ArtifactError, match=r"a file of format 2 \(of jic 9.9\), expected format 1"):
        jic.load(other)
    rewritten(file, other, changed_json("program.json", lambda m: m.update(format=3)))
    with pytest.raises(ArtifactError, match=r"program.json is not of format 1"):
        jic.load(other)


def test_other_cpus(file: Path, tmp_path: Path) -> None:
    def needs_more(manifest: Any) -> None:
        for program in manifest["signatures"][0]["programs"]:
            if program["level"] == "host":
                program["features"] += ",+tbm"  # no CPU since 2012 has it

    other = rewritten(file, tmp_path / "other.jic", changed_json("manifest.json", needs_more))
    try:
        assert jic.load(other)(X).shape == (4, 5)  # by the other level
    except ArtifactError as error:
        assert "lacks features" in error.message

    def all_need_more(manifest: Any) -> None:
        for program in manifest["signatures"][0]["programs"]:
            program["features"] += ",+tbm"

    rewritten(file, other, changed_json("manifest.json", all_need_more))
    with pytest.raises(ArtifactError, match="host needs tbm; x86-64-v3 needs"):
        jic.load(other)


def test_malformed_files_are_refused(file: Path, tmp_path: Path) -> None:
    """Files that are whole, and say what does not fit together: a bug or ill will, and no crash."""
    other = tmp_path / "other.jic"

    def replaced(value: Any) -> list[Callable[[Any], Any]]:
        return [
            lambda m: m.update(signatures=value),
            lambda m: m.update(weights=value),
            lambda m: m.update(modules=value),
            lambda m: m["signatures"][0].update(arguments=value),
            lambda m: m["signatures"][0].update(inputs=value),
            lambda m: m["signatures"][0].update(result=value),
            lambda m: m["signatures"][0].update(geometry=value),
            lambda m: m["signatures"][0].update(copies=value),
            lambda m: m["signatures"][0].update(weights=value),
            lambda m: m["signatures"][0].update(guards=value),
            lambda m: m["weights"][0].update(shape=value),
            lambda m: m["weights"][0].update(strides=value),
            lambda m: m["weights"][0].update(dtype=value),
        ]

    outcomes = []
    for value in (None, 7, "text", [], [9, 9], [[0, 9]], {"output": 9}, {"tensor": 99}, [-1], {"a": {"b": []}}):
        for change in replaced(value):
            rewritten(file, other, changed_json("manifest.json", change))
            try:
                loaded: Any = jic.load(other)
                loaded(X)
            except JicError as error:
                outcomes.append(error.code)
            else:
                outcomes.append("fine")
    assert {"JIC008"} <= set(outcomes) <= {"JIC008", "JIC013", "fine"}
    assert outcomes.count("JIC008") > len(outcomes) * 0.8
    for missing in Container(file).entries:
        rewritten(file, other, lambda name, data, missing=missing: None if name == missing else data)
        if "x86-64-v3" not in missing:
            with pytest.raises(ArtifactError):
                jic.load(other)


def test_other_targets(tmp_path: Path) -> None:
    path = jic.export(lambda x: torch.softmax(x * 2, -1), X, path=tmp_path / "gpu.jic", targets=("cuda", "vulkan"))
    with pytest.raises(ArtifactError, match="no program for 'cpu', only for cuda, vulkan"):
        jic.load(path)
    with pytest.raises(DeviceError, match="code for cuda sm_90a, which this jic cannot launch"):
        jic.load(path, target="cuda")
    if available() is not None:
        with pytest.raises(DeviceError):
            jic.load(path, target="vulkan")
    else:
        loaded: Any = jic.load(path, target="vulkan")
        assert_like(loaded(X), torch.softmax(X * 2, -1), factor=10)


WITHOUT_COMPILER = """
import sys, torch

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch_mlir", "llvmlite") or name.startswith(("jic.api", "jic.frontend", "jic.targets")):
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Refused())
import jic
loaded = jic.load(sys.argv[1])
torch.save(loaded(torch.load(sys.argv[2])), sys.argv[2])
"""


def test_a_process_without_a_compiler_loads_and_calls(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "tensor.pt"
    torch.save(X, place)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER, str(file), str(place)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    loaded: Any = jic.load(file)
    assert torch.equal(torch.load(place), loaded(X))
