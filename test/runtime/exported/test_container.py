"""The file around an exported program: other tools read it, and every damaged bit and missing byte of it shows."""

from __future__ import annotations

import os
import random
import zipfile
import zlib
from pathlib import Path

import pytest

from jic.errors import ArtifactError
from jic.runtime.exported.container import Container, write
from jic.runtime.native_module import native


@pytest.fixture
def entries() -> dict[str, bytes]:
    sizes = [1, 0, 63, 64, 65, random.randrange(4096)]
    return {f"folder-{i}/entry_{i}.bin": os.urandom(size) for i, size in enumerate(sizes)}


@pytest.fixture
def path(tmp_path: Path, entries: dict[str, bytes]) -> Path:
    made = tmp_path / "file.jic"
    write(made, [(name, [data[:7], memoryview(data)[7:]]) for name, data in entries.items()])
    return made


def read(path: Path) -> dict[str, bytes]:
    container = Container(path)
    container.check()
    return {name: container.read(name) for name in container.entries}


def test_entries_are_read_as_they_were_written(path: Path, entries: dict[str, bytes]) -> None:
    assert read(path) == entries
    assert [e.offset % 64 for e in Container(path).entries.values()] == [0] * len(entries)


def test_other_tools_read_it(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == entries


def test_each_flipped_bit_shows(path: Path) -> None:
    data = path.read_bytes()
    other = path.with_name("damaged.jic")
    inside = {i for e in Container(path).entries.values() for i in range(e.offset, e.offset + e.size)}
    outside = [i for i in range(len(data)) if i not in inside]
    for place in [*random.sample(outside, 500), *random.sample(sorted(inside), 50)]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << random.randrange(8)
        other.write_bytes(damaged)
        with pytest.raises(ArtifactError):
            read(other)


def test_each_other_length_shows(path: Path) -> None:
    data = path.read_bytes()
    other = path.with_name("damaged.jic")
    for length in [*random.sample(range(len(data)), 100), *range(len(data) - 100, len(data))]:
        other.write_bytes(data[:length])
        with pytest.raises(ArtifactError):
            read(other)
    for longer in (data + b"\0", b"\0" + data, data + data, data[:100] + b"\0" + data[100:]):
        other.write_bytes(longer)
        with pytest.raises(ArtifactError):
            read(other)


def test_a_file_of_another_tool_is_refused(tmp_path: Path, entries: dict[str, bytes]) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    with pytest.raises(ArtifactError, match="does not end as"):
        Container(path)
    path.write_bytes(os.urandom(5000))
    with pytest.raises(ArtifactError, match="not a file that jic.export wrote"):
        Container(path)


def test_a_missing_entry_is_named(path: Path) -> None:
    with pytest.raises(ArtifactError, match="no entry nothing.bin"):
        Container(path).view("nothing.bin")


def test_writing_to_the_memory_leaves_the_file(path: Path, entries: dict[str, bytes]) -> None:
    container = Container(path)
    name = next(reversed(entries))
    container.memory[:] = bytes(container.size)
    assert read(path)[name] == entries[name]


@pytest.mark.parametrize("name", ["", "a/../b", "/a", "a//b", "ä", ".hidden", "a/.."])
def test_bad_names_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="names of entries"):
        write(tmp_path / "x", [(name, [b"1"])])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_what_was_there(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write(path, [("a", [b"1"]), ("b", ["no bytes"])])  # type: ignore[list-item]
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


def test_crc32_is_that_of_zlib() -> None:
    for _ in range(300):
        data = os.urandom(random.choice([random.randrange(200), random.randrange(5000)]))
        cut = random.randrange(len(data) + 1)
        assert native.crc32(data) == zlib.crc32(data)
        assert native.crc32(memoryview(data)[cut:], native.crc32(data[:cut])) == zlib.crc32(data)
