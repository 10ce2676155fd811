"""Compiled artifacts, kept in memory and on disk.

An entry is one file, named by its key. What cannot be read or written costs a compilation and is counted, but never
raises: a cache is a convenience.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections import Counter, OrderedDict
from pathlib import Path

from jic.errors import ArtifactError

from .artifact import Artifact

__all__ = ["ArtifactCache", "default_directory"]

_SUFFIX = ".jic"
_STALE_SECONDS = 3600  # age from which an unfinished file was left behind by a process that died


def default_directory() -> Path:
    """`$JIC_CACHE_DIR`, else the platform's place for caches."""
    if chosen := os.environ.get("JIC_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "jic"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "jic"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jic"


class ArtifactCache:
    """Artifacts by key; safe for threads, and for processes that share a directory.

    Args:
        directory: where entries are; None takes `default_directory()`. It is made when something is first written.
        max_bytes: what the directory may hold; the least recently used entries go first.
        max_entries: how many artifacts are kept in memory.
        disk: False keeps to memory.

    Attributes:
        counts: how often each of these happened: `memory`, `disk` (hits), `absent`, `unreadable`, `damaged` (misses),
            `written`, `unwritable`, `trimmed`.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = 1 << 30,
        max_entries: int = 256,
        disk: bool = True,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.last_problem = ""
        self.max_bytes, self.max_entries, self.disk = max_bytes, max_entries, disk
        self._lock = threading.Lock()
        self._memory: OrderedDict[str, Artifact] = OrderedDict()
        try:
            self.directory = Path(directory) if directory is not None else default_directory()
        except (OSError, RuntimeError) as error:  # no home directory
            self.directory, self.disk = Path(), False
            self.last_problem = str(error)

    def get(self, key: str) -> Artifact | None:
        """The artifact kept under `key`, or None.

        Args:
            key: a sha256 in hex.
        """
        _check(key)
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                self.counts["memory"] += 1
                return self._memory[key]
        if not self.disk:
            self._count("absent")
            return None
        path = self._path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            self._count("absent")
            return None
        except (OSError, ValueError) as error:
            self._count("unreadable", error)
            return None
        try:
            artifact = Artifact.from_bytes(data)
        except (ArtifactError, MemoryError, RecursionError) as error:
            # It stays: another machine that shares the directory may be able to use it, and a new entry replaces it.
            self._count("damaged", error)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the time of last use, for trimming
        self._count("disk")
        self._remember(key, artifact)
        return artifact

    def put(self, key: str, artifact: Artifact) -> None:
        """Keep `artifact` under `key`, in place of what was there."""
        _check(key)
        self._remember(key, artifact)
        if not self.disk:
            return
        try:
            data = artifact.to_bytes()
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            # A name of its own, then a rename: a reader sees the old entry or the new one, whole.
            handle, temporary = tempfile.mkstemp(prefix=f".{key[:16]}-", suffix=".tmp", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except (OSError, ValueError) as error:
            self._count("unwritable", error)
            return
        self._count("written")
        self._trim(keep=path)

    def clear(self) -> None:
        """Forget everything, in memory and on disk."""
        with self._lock:
            self._memory.clear()
        if self.disk:
            for path, _ in self._entries():
                with contextlib.suppress(OSError):
                    path.unlink()

    def size_bytes(self) -> int:
        """What the entries on disk hold together."""
        return sum(stat.st_size for _, stat in self._entries()) if self.disk else 0

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key}{_SUFFIX}"

    def _remember(self, key: str, artifact: Artifact) -> None:
        with self._lock:
            self._memory[key] = artifact
            self._memory.move_to_end(key)
            while len(self._memory) > self.max_entries:
                self._memory.popitem(last=False)

    def _count(self, what: str, error: BaseException | None = None) -> None:
        with self._lock:
            self.counts[what] += 1
            if error is not None:
                self.last_problem = f"{what}: {error}"

    def _entries(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        try:
            for folder in self.directory.iterdir():
                if len(folder.name) != 2 or not folder.is_dir():
                    continue
                for path in folder.iterdir():
                    if path.suffix in (_SUFFIX, ".tmp"):
                        with contextlib.suppress(OSError):  # another process removed it
                            found.append((path, path.stat()))
        except OSError:
            pass
        return found

    def _trim(self, keep: Path) -> None:
        entries = self._entries()
        newest = max((stat.st_mtime for _, stat in entries), default=0.0)
        total = 0
        for path, stat in sorted(entries, key=lambda e: (e[0] != keep, -e[1].st_mtime)):
            unfinished = path.suffix == ".tmp"
            total += stat.st_size
            too_much = total > self.max_bytes and path != keep and not unfinished
            if too_much or (unfinished and newest - stat.st_mtime > _STALE_SECONDS):
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= stat.st_size
                    self._count("trimmed")


def _check(key: str) -> None:
    if len(key) != 64 or not all(c in "0123456789abcdef" for c in key):
        raise ValueError(f"a cache key is a sha256 in hex, not {key!r}")
