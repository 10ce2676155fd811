"""The artifact cache: whatever happens to the directory, a lookup is a hit or a counted miss."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import stat
import time

import pytest

from jic.runtime.artifact import Artifact
from jic.runtime.cache import ArtifactCache, default_directory


def key(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


def artifact(n: int, size: int = 100) -> Artifact:
    return Artifact({"format": 1, "target": "cpu", "features": "", "n": n}, bytes([n % 256]) * size, b"")


def test_memory_then_disk(tmp_path):
    cache = ArtifactCache(tmp_path)
    assert cache.get(key(1)) is None
    cache.put(key(1), artifact(1))
    assert cache.get(key(1)) == artifact(1)
    assert cache.counts == {"absent": 1, "written": 1, "memory": 1}
    other = ArtifactCache(tmp_path)
    assert other.get(key(1)) == artifact(1)
    assert other.counts == {"disk": 1}


def test_bad_key(tmp_path):
    for bad in ("", "../../etc/passwd", "A" * 64, "a" * 63):
        with pytest.raises(ValueError, match="sha256"):
            ArtifactCache(tmp_path).get(bad)


def entry(tmp_path, n):
    return tmp_path / key(n)[:2] / f"{key(n)}.jic"


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x89JIC\r\n\x1a\n", None])
def test_damaged_entry_is_a_miss_and_is_replaced(tmp_path, content):
    ArtifactCache(tmp_path).put(key(1), artifact(1))
    path = entry(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if content is None else content)
    cache = ArtifactCache(tmp_path)
    assert cache.get(key(1)) is None
    assert cache.counts == {"damaged": 1} and cache.last_problem
    cache.put(key(1), artifact(1))
    assert ArtifactCache(tmp_path).get(key(1)) == artifact(1)


def test_a_directory_in_place_of_an_entry(tmp_path):
    entry(tmp_path, 1).mkdir(parents=True)
    cache = ArtifactCache(tmp_path)
    assert cache.get(key(1)) is None
    assert cache.counts == {"unreadable": 1}
    cache.put(key(1), artifact(1))
    assert cache.counts["unwritable"] == 1
    assert cache.get(key(1)) == artifact(1)


def test_a_file_in_place_of_the_directory(tmp_path):
    (tmp_path / "cache").write_text("")
    cache = ArtifactCache(tmp_path / "cache")
    assert cache.get(key(1)) is None
    cache.put(key(1), artifact(1))
    assert cache.counts["unwritable"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_directory(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        cache = ArtifactCache(tmp_path)
        cache.put(key(1), artifact(1))
        assert cache.counts == {"unwritable": 1}
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache = ArtifactCache(tmp_path)
    cache.put(key(1), artifact(1))
    assert cache.counts == {"unwritable": 1}
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]
    assert cache.get(key(1)) == artifact(1)


def test_least_recently_used_go_first(tmp_path):
    cache = ArtifactCache(tmp_path, max_bytes=1500, max_entries=2)
    size = len(artifact(0, 300).to_bytes())
    room = 1500 // size
    for n in range(room):
        cache.put(key(n), artifact(n, 300))
        os.utime(entry(tmp_path, n), (time.time() - 100 + n,) * 2)
    ArtifactCache(tmp_path).get(key(0))  # used now
    cache.put(key(room), artifact(room, 300))
    assert cache.size_bytes() <= 1500
    assert entry(tmp_path, 0).exists() and not entry(tmp_path, 1).exists() and entry(tmp_path, room).exists()


def test_an_entry_above_the_bound_stays_until_the_next(tmp_path):
    cache = ArtifactCache(tmp_path, max_bytes=10)
    cache.put(key(1), artifact(1))
    assert entry(tmp_path, 1).exists()
    cache.put(key(2), artifact(2))
    assert not entry(tmp_path, 1).exists()


def test_unfinished_files_of_dead_processes_go(tmp_path):
    cache = ArtifactCache(tmp_path)
    cache.put(key(1), artifact(1))
    old = entry(tmp_path, 1).parent / ".dead.tmp"
    old.write_text("x")
    os.utime(old, (1, 1))
    cache.put(key(2), artifact(2))
    assert not old.exists()


def test_clear_and_memory_only(tmp_path):
    cache = ArtifactCache(tmp_path)
    cache.put(key(1), artifact(1))
    cache.clear()
    assert cache.get(key(1)) is None
    memory = ArtifactCache(tmp_path, disk=False)
    memory.put(key(2), artifact(2))
    assert memory.get(key(2)) == artifact(2) and not entry(tmp_path, 2).exists()


def test_directory_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("JIC_CACHE_DIR", str(tmp_path / "here"))
    assert default_directory() == tmp_path / "here"
    assert ArtifactCache().directory == tmp_path / "here"


def _hammer(folder, seed, wrong):
    for round_ in range(150):
        n = (round_ * 7 + seed) % 5
        cache = ArtifactCache(folder, max_bytes=1200)
        cache.put(key(n), artifact(n, 300))
        found = ArtifactCache(folder).get(key((n + 1) % 5))
        fresh = ArtifactCache(folder)
        fresh.get(key(n))
        if (
            (found is not None and found != artifact((n + 1) % 5, 300))
            or fresh.counts["damaged"]
            or cache.counts["unwritable"]
        ):
            wrong.value += 1


def test_two_processes(tmp_path):
    context = multiprocessing.get_context("fork")
    wrong = context.Value("i", 0)
    workers = [context.Process(target=_hammer, args=(tmp_path, s, wrong)) for s in range(2)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert [w.exitcode for w in workers] == [0, 0] and wrong.value == 0
