"""The file around an exported program: a ZIP archive of stored, aligned entries, which has one form for given entries.

docs/artifact.md has the layout. What is not an entry's data is rebuilt from the directory and compared, and the data has
checksums, so that every damaged bit of a file shows.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from jic.errors import ArtifactError

from ..native_module import native

__all__ = ["Container", "Entry", "write"]

Buffer = bytes | memoryview
ALIGNMENT = 64
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_VERSION, _DATE, _WIDE, _PADDING = 45, 0x21, 0xFFFFFFFF, 0x4A50
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_LOCAL_EXTRA = struct.Struct("<HHQQHH")  # sizes; head of the padding
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_CENTRAL_EXTRA = struct.Struct("<HHQQQ")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR = struct.Struct("<IIQI")
_END = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, _WIDE, _WIDE, 0)
_TAIL = _END64.size + _LOCATOR.size + len(_END)
_MOST_ENTRIES = 1 << 16
_HINT = "export it again, or copy the whole file again"


class Entry(NamedTuple):
    """A named part of the file: its data's size, CRC-32 and place."""

    name: str
    size: int
    crc: int
    offset: int = 0


class _Layout(NamedTuple):
    entries: list[Entry]  # with their places
    heads: list[bytes]  # what is right before each entry's data
    end: bytes  # all that follows the last entry's data
    size: int


def _layout(parts: Iterable[Entry]) -> _Layout:
    at, entries, heads, directory = 0, [], [], []
    for part in parts:
        name = part.name.encode()
        start = at + _LOCAL.size + len(name) + _LOCAL_EXTRA.size
        padding = -start % ALIGNMENT
        sizes = (_WIDE, _WIDE, len(name), _LOCAL_EXTRA.size + padding)
        head = _LOCAL.pack(0x04034B50, _VERSION, 0, 0, 0, _DATE, part.crc, *sizes) + name
        head += _LOCAL_EXTRA.pack(1, 16, part.size, part.size, _PADDING, padding) + bytes(padding)
        rest = (_WIDE, _WIDE, len(name), _CENTRAL_EXTRA.size, 0, 0, 0, 0, _WIDE)
        directory.append(_CENTRAL.pack(0x02014B50, _VERSION, _VERSION, 0, 0, 0, _DATE, part.crc, *rest) + name)
        directory.append(_CENTRAL_EXTRA.pack(1, 24, part.size, part.size, at))
        heads.append(head)
        entries.append(Entry(part.name, part.size, part.crc, start + padding))
        at = start + padding + part.size
    central = b"".join(directory)
    count = len(entries)
    end = _END64.pack(0x06064B50, 44, _VERSION, _VERSION, 0, 0, count, count, len(central), at)
    end += _LOCATOR.pack(0x07064B50, 0, at + len(central), 1) + _END
    return _Layout(entries, heads, central + end, at + len(central) + _TAIL)


def write(path: str | os.PathLike[str], entries: Sequence[tuple[str, Sequence[Buffer]]]) -> None:
    """Write the file at `path`, or leave what is there: it appears as a whole. An entry's data comes in pieces.

    Raises:
        OSError: it cannot be written.
        ValueError: a name that an entry cannot have.
    """
    names = [name for name, _ in entries]
    if len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        raise ValueError(f"bad or equal names of entries: {names}")
    parts = []
    for name, pieces in entries:
        crc = 0
        for piece in pieces:
            crc = native.crc32(piece, crc)
        parts.append(Entry(name, sum(memoryview(p).nbytes for p in pieces), crc))
    layout = _layout(parts)
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for head, (_, pieces) in zip(layout.heads, entries, strict=True):
                file.write(head)
                for piece in pieces:
                    file.write(piece)
            file.write(layout.end)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


class Container:
    """An open file, of which all but the entries' data is checked.

    Its memory is the file's, mapped: private, so that writing to it changes nothing in the file. The file itself must not be
    changed in place while it is open; replacing it by another one is fine.

    Raises:
        ArtifactError: no such file, not one that `write` made, cut short, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            with open(self.path, "rb") as file:
                self.size = os.fstat(file.fileno()).st_size
                if self.size < _TAIL:
                    raise self._error(f"a file of {self.size} bytes is none that jic.export wrote, or was cut short")
                self._map = mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ArtifactError(
                f"cannot read {self.path}: {reason}", hint="give the path of an exported file"
            ) from error
        self.memory = memoryview(self._map)
        self.entries = self._directory()
        self._checked: set[str] = set()

    def _error(self, what: str) -> ArtifactError:
        return ArtifactError(f"{self.path}: {what}", hint=_HINT)

    def _directory(self) -> dict[str, Entry]:
        memory, size = self.memory, self.size
        if memory[-len(_END) :] != _END:
            if memory[:4] == b"PK\3\4":
                raise self._error("the file does not end as an exported program does: it was cut short or damaged")
            raise self._error("not a file that jic.export wrote")
        damaged = self._error("the file's directory is damaged, or another program wrote it")
        tail = size - _TAIL
        fields = _END64.unpack_from(memory, tail)
        count, length, at = fields[7], fields[8], fields[9]
        if at + length != tail or not 0 < count <= _MOST_ENTRIES or length > count * (1 << 12):
            raise damaged
        parts = []
        while at < tail:
            if at + _CENTRAL.size > tail:
                raise damaged
            record = _CENTRAL.unpack_from(memory, at)
            crc, name_length = record[7], record[10]
            extra = at + _CENTRAL.size + name_length
            if extra + _CENTRAL_EXTRA.size > tail or len(parts) == count:
                raise damaged
            name = bytes(memory[at + _CENTRAL.size : extra]).decode("latin-1")
            if not _NAME.fullmatch(name):
                raise damaged
            parts.append(Entry(name, _CENTRAL_EXTRA.unpack_from(memory, extra)[2], crc))
            at = extra + _CENTRAL_EXTRA.size
        if sum(p.size for p in parts) > size or len({p.name for p in parts}) != len(parts):
            raise damaged
        layout = _layout(parts)
        if layout.size != size or memory[size - len(layout.end) :] != layout.end:
            raise damaged
        for entry, head in zip(layout.entries, layout.heads, strict=True):
            if memory[entry.offset - len(head) : entry.offset] != head:
                raise damaged
        return {e.name: e for e in layout.entries}

    def check(self, names: Iterable[str] | None = None) -> None:
        """Compare the checksums of these entries, or of all.

        Raises:
            ArtifactError: an entry that is damaged or not there.
        """
        for name in self.entries if names is None else names:
            self.view(name)

    def view(self, name: str) -> memoryview:
        """An entry's data where it lies, checked.

        Raises:
            ArtifactError: it is damaged or not there.
        """
        data = self.unchecked(name)
        if name not in self._checked:
            if native.crc32(data) != self.entries[name].crc:
                raise self._error(f"the checksum of {name} does not match: the file is damaged")
            self._checked.add(name)
        return data

    def unchecked(self, name: str) -> memoryview:
        """An entry's data where it lies; `check` has to be called before anything depends on it.

        Raises:
            ArtifactError: it is not there.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise self._error(f"the file has no entry {name}")
        return self.memory[entry.offset : entry.offset + entry.size]

    def read(self, name: str) -> bytes:
        """A copy of an entry's data, checked. Raises `ArtifactError` as `view` does."""
        return bytes(self.view(name))
