"""Files that are not what they should be, through the C functions: one code each, nothing executed, never a crash."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.c_api import CError, Model, load_library
from torch import nn

import jic
from jic.runtime.exported.container import Container, write

LIBRARY = load_library()


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        k = torch.zeros((), dtype=torch.int64)
        while k < n:
            x, k = torch.tanh(self.inner(x)), k + 1
        return x


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop over a module's weights."""
    folder = tmp_path_factory.mktemp("files")
    return jic.export(_Net().eval(), torch.randn(2, 3), torch.tensor(2), path=folder / "model.jic", torch_free=True)


@pytest.fixture(scope="module")
def entries(path: Path) -> dict[str, bytes]:
    container = Container(path)
    return {name: container.read(name) for name in container.entries}


def refusal(path: Path) -> CError:
    with pytest.raises(CError) as caught:
        Model(path, LIBRARY)
    assert caught.value.message
    return caught.value


@pytest.fixture
def repacked(tmp_path: Path, entries: dict[str, bytes]) -> Callable[..., Path]:
    """A file whose checksums are right, with an entry's JSON or bytes changed by a function (None: without it)."""

    def make(name: str, change: Callable[[Any], Any] | None) -> Path:
        made = dict(entries)
        if change is None:
            del made[name]
        elif name.endswith(".json"):
            content = json.loads(made[name])
            change(content)
            made[name] = json.dumps(content).encode()
        else:
            made[name] = change(made[name])
        write(tmp_path / "changed.jic", [(n, [d]) for n, d in made.items()])
        return tmp_path / "changed.jic"

    return make


def test_the_file_itself_loads(path: Path, repacked: Callable[..., Path]) -> None:
    assert Model(path, LIBRARY).infos("output")[0][1:3] == ("float32", (2, 3))
    assert Model(repacked("manifest.json", lambda m: m), LIBRARY).infos("output")[0][1:3] == ("float32", (2, 3))


def test_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing.jic").name == "JIC_ERROR_FILE"
    assert refusal(tmp_path).name == "JIC_ERROR_FILE"
    for content in (b"", b"PK", b"\x7fELF" + b"x" * 1000, b"PK\5\6" + bytes(18)):
        (tmp_path / "other.jic").write_bytes(content)
        assert refusal(tmp_path / "other.jic").name == "JIC_ERROR_NOT_A_MODEL"


def test_cut_short(path: Path, tmp_path: Path) -> None:
    data, rng = path.read_bytes(), random.Random(1)
    for size in {
        *range(4, 100, 3),
        *rng.sample(range(100, len(data)), 150),
        *range(len(data) - 120, len(data), 3),
        len(data) - 1,
    }:
        (tmp_path / "cut.jic").write_bytes(data[:size])
        assert refusal(tmp_path / "cut.jic").name in ("JIC_ERROR_CUT_SHORT", "JIC_ERROR_DAMAGED")
    for more in (b"\0", data):
        (tmp_path / "more.jic").write_bytes(data + more)
        assert refusal(tmp_path / "more.jic").name in ("JIC_ERROR_CUT_SHORT", "JIC_ERROR_DAMAGED")


def test_every_flipped_bit_shows(path: Path, tmp_path: Path) -> None:
    data, rng = path.read_bytes(), random.Random(2)
    places = {*range(200), *range(len(data) - 700, len(data)), *rng.sample(range(len(data)), 1200)}
    flipped = tmp_path / "flipped.jic"
    flipped.write_bytes(data)
    with open(flipped, "r+b", buffering=0) as file:
        for place in sorted(places):
            os.pwrite(file.fileno(), bytes([data[place] ^ 1 << rng.randrange(8)]), place)
            assert refusal(flipped).name in ("JIC_ERROR_DAMAGED", "JIC_ERROR_NOT_A_MODEL", "JIC_ERROR_CUT_SHORT")
            os.pwrite(file.fileno(), data[place : place + 1], place)
    Model(flipped, LIBRARY)


def program(**fields: Any) -> Callable[[Any], None]:
    return lambda p: p.update(fields)


def signature(**fields: Any) -> Callable[[Any], None]:
    return lambda m: m["signatures"][0].update(fields)


def step(number: int, **fields: Any) -> Callable[[Any], None]:
    return lambda p: p["steps"][number].update(fields)


MANIFEST, PROGRAM = "manifest.json", "programs/0/cpu-host/program.json"
FAR = [["workspace", 1 << 40]]


@pytest.mark.parametrize(
    ("entry", "change", "code", "text"),
    [
        (MANIFEST, lambda m: m.update(format=2), "FORMAT", "a file of format 2, expected 1"),
        (PROGRAM, program(format=7), "FORMAT", "a program of format 7, expected 1"),
        (MANIFEST, lambda m: m.pop("signatures"), "MANIFEST", "no field 'signatures'"),
        (MANIFEST, lambda m: m.update(signatures={}), "MANIFEST", "an object, expected an array"),
        (MANIFEST, lambda m: m.update(format=[1]), "MANIFEST", "an array, expected an integer"),
        (MANIFEST, lambda m: m["weights"].pop(), "MANIFEST", "there is no weight 'inner"),
        (MANIFEST, lambda m: m["weights"][0].update(shape=[3, 4]), "MANIFEST", "36 bytes, expected 40"),
        (MANIFEST, lambda m: m["weights"][0].update(dtype="float3"), "MANIFEST", "an unknown dtype, 'float3'"),
        (MANIFEST, signature(inputs=[0, 1, 2, 9]), "MANIFEST", "of number 9"),
        (MANIFEST, signature(inputs=[0]), "MANIFEST", "another number of inputs"),
        (MANIFEST, signature(geometry=[[0, [2, 3], [1 << 40, 1]]]), "MANIFEST", "an output's tensor"),
        (MANIFEST, signature(geometry=[[0, [2, 3], [-3, 1]]]), "MANIFEST", "negative strides"),
        (MANIFEST, signature(copies=[[0, 1]]), "MANIFEST", "copied into a tensor of another kind"),
        (MANIFEST, signature(result={"dance": 1}), "MANIFEST", "a result of an unknown kind"),
        (MANIFEST, signature(arguments=[{"dance": 1}]), "MANIFEST", "argument 0 is of an unknown kind"),
        (
            MANIFEST,
            signature(result={"view": {"output": 0}, "size": [2, 3], "strides": [3, 1], "offset": 1}),
            "MANIFEST",
            "a view that leaves its tensor",
        ),
        (MANIFEST, signature(programs=[]), "CPU", "signature 0 has no program for a CPU"),
        (
            MANIFEST,
            lambda m: m["signatures"][0]["programs"][0].update(features="x +xop,+tbm,+sve2"),
            "CPU",
            "which this one lacks",
        ),
        (PROGRAM, program(features="future +xop,+fma4,+tbm"), "CPU", "compiled for a CPU with"),
        (
            MANIFEST,
            lambda m: m["signatures"][0]["programs"][0].update(aten=["aten.sort.default"]),
            "ATEN",
            "aten.sort.default",
        ),
        (PROGRAM, step(0, op="dance"), "UNKNOWN_STEP", "'dance'"),
        (PROGRAM, program(target="vulkan"), "MANIFEST", "a program for 'vulkan'"),
        (PROGRAM, program(workspace=-1), "MANIFEST", "a size of -1"),
        (PROGRAM, program(workspace=1 << 60), "MANIFEST", "a size of"),
        (PROGRAM, program(steps=[{"op": "launch", "kernel": "missing"}]), "CODE", "no kernel 'missing'"),
        (PROGRAM, program(steps=[{"op": "jump", "to": 2}]), "MANIFEST", "a jump to step 2 of 1"),
        (PROGRAM, program(steps=[{"op": "jump", "to": -1}]), "MANIFEST", "a jump to step -1"),
        (
            PROGRAM,
            program(steps=[{"op": "copy", "from": FAR[0], "to": ["output", 0], "bytes": 8}]),
            "MANIFEST",
            "does not hold 8 bytes",
        ),
        (
            PROGRAM,
            program(steps=[{"op": "set", "slot": ["input", 0], "value": 1}]),
            "MANIFEST",
            "which programs do not write",
        ),
        (PROGRAM, program(steps=[{"op": "set", "slot": ["moon", 0], "value": 1}]), "MANIFEST", "slot, 'moon'"),
        (
            PROGRAM,
            program(steps=[{"op": "check", "buffer": ["output", 0], "message": ""}]),
            "MANIFEST",
            "no launch writes the status",
        ),
        (PROGRAM, program(inputs=[]), "MANIFEST", ""),
        (PROGRAM, None, "MANIFEST", "the file has no entry"),
        (MANIFEST, None, "MANIFEST", "the file has no entry 'manifest.json'"),
        ("weights.safetensors", None, "MANIFEST", "does not hold weight"),
        ("weights.safetensors", lambda d: d[:7], "MANIFEST", "no header"),
        ("weights.safetensors", lambda d: b"\xff" * 8 + d[8:], "MANIFEST", "header is longer"),
        ("weights.safetensors", lambda d: d[:-16], "MANIFEST", "outside the file"),
        ("programs/0/cpu-host/code.o", lambda d: d[:-100], "CODE", ""),
        ("programs/0/cpu-host/code.o", lambda d: b"no object" + d[9:], "CODE", "not an ELF object"),
    ],
)
def test_parts_that_do_not_fit(
    repacked: Callable[..., Path], entry: str, change: Callable[[Any], Any] | None, code: str, text: str
) -> None:
    found = refusal(repacked(entry, change))
    assert found.name == f"JIC_ERROR_{code}" and text in found.message, str(found)


def test_aten_steps_are_named(tmp_path: Path) -> None:
    made = jic.export(lambda x: torch.linalg.cholesky(x), torch.eye(3), path=tmp_path / "aten.jic")
    found = refusal(made)
    assert found.name == "JIC_ERROR_ATEN" and "cholesky" in found.message


def test_json_with_right_checksums_never_crashes(entries: dict[str, bytes], tmp_path: Path) -> None:
    """Damage that checksums do not show: what is no JSON for Python is refused, all else loads or is refused."""
    rng = random.Random(3)
    seen: dict[str, int] = {}
    pieces = [
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b'"',
        b"\\u12",
        b"\\ud800",
        b"-",
        b"1e999",
        b"0",
        b"null",
        b"\xff",
        b"9" * 30,
    ]
    for _ in range(800):
        name = rng.choice((MANIFEST, PROGRAM))
        data = bytearray(entries[name])
        for _ in range(rng.choice((1, 1, 1, 3, 10))):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] ^= 1 << rng.randrange(8)
                case 1:
                    data[at:at] = rng.choice(pieces)
                case 2:
                    del data[at : at + rng.randrange(1, 20)]
                case _:
                    digits = [i for i, c in enumerate(data) if chr(c).isdigit()]
                    data[rng.choice(digits)] = rng.choice(b"0123456789")
        write(tmp_path / "changed.jic", [(n, [bytes(data) if n == name else d]) for n, d in entries.items()])
        try:
            json.loads(bytes(data).decode())
            is_json = True
        except ValueError:
            is_json = False
        try:
            Model(tmp_path / "changed.jic", LIBRARY)
            outcome = "loaded"
        except CError as error:
            outcome = error.name
        seen[outcome] = seen.get(outcome, 0) + 1
        assert is_json or outcome == "JIC_ERROR_MANIFEST", (outcome, bytes(data))
    assert seen["JIC_ERROR_MANIFEST"] > 150 and seen["loaded"] > 25, seen


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (b'{"a": [1, -2, 3.5, 1e3, true, false, null, "\\u00e9\\ud83d\\ude00\\n"]}', True),
        (b'"\xc3\xa9\xf0\x9f\x98\x80"', True),
        (b" \t\r\n[] ", True),
        (b"[" * 90 + b"]" * 90, True),
        (b"[" * 100_000, False),
        (b'{"a": 1, "a": 2}', False),
        (b"[1, ]", False),
        (b"[01]", False),
        (b"[1.]", False),
        (b"[.5]", False),
        (b"[+1]", False),
        (b"[NaN]", False),
        (b"[Infinity]", False),
        (b"[1e400]", False),
        (b'"\x01"', False),
        (b'"\\x"', False),
        (b'"\\ud800"', False),
        (b'"\\udc00"', False),
        (b'"\xc0\xaf"', False),
        (b'"\xed\xa0\x80"', False),
        (b'"\xf4\x90\x80\x80"', False),
        (b'"', False),
        (b"", False),
        (b"{}{}", False),
        (b"\xef\xbb\xbf{}", False),
    ],
)
def test_json(text: bytes, right: bool, tmp_path: Path) -> None:
    """Strictly: RFC 8259, no key twice, at most 100 levels."""
    write(tmp_path / "json.jic", [(MANIFEST, [b'{"format": 1, "x": ', text, b', "weights": [], "signatures": []}'])])
    if right:
        Model(tmp_path / "json.jic", LIBRARY)
    else:
        found = refusal(tmp_path / "json.jic")
        assert found.name == "JIC_ERROR_MANIFEST" and "not JSON" in found.message
