"""The loader: what it refuses, and that damage is an error."""

from __future__ import annotations

import random
import struct
import sys

import pytest

from jic.runtime.native_module import native

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ELF objects")


def test_functions(code):
    assert {"add", "add3", "exponential", "nothing"} <= set(native.functions(code))


def test_undefined_symbol(compile_c):
    bad = compile_c("extern void nowhere_to_be_found(void); void k(void) { nowhere_to_be_found(); }")
    with pytest.raises(native.LoadError, match="nowhere_to_be_found"):
        native.functions(bad)


def test_weak_undefined_symbol_is_null(compile_c):
    text = "extern int nowhere(void) __attribute__((weak)); int k(void) { return nowhere ? nowhere() : 3; }"
    assert native.functions(compile_c(text)) == ["k"]


def test_absolute_addresses_are_refused(compile_c):
    text = "static int t[8]; int k(int i) { return ((volatile int *)t)[i]; } int *p(void) { return t; }"
    with pytest.raises(native.LoadError, match="position-independent"):
        native.functions(compile_c(text, "-fno-pic", "-mcmodel=small"))


def test_thread_local_data_is_refused(compile_c):
    with pytest.raises(native.LoadError, match="thread-local"):
        native.functions(compile_c("__thread int t = 3; int k(void) { return t++; }"))


def test_common_and_large_alignment(compile_c):
    assert native.functions(compile_c("int shared[64]; int k(int i) { return shared[i]; }", "-fcommon")) == ["k"]
    aligned = "static _Alignas(4096) int t[8]; int k(int i) { return ++t[i]; }"
    assert native.functions(compile_c(aligned)) == ["k"]


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\0" * 64, b"MZ" + b"\0" * 100])
def test_not_an_object(data):
    with pytest.raises(native.LoadError):
        native.functions(data)


def test_other_machine(code):
    with pytest.raises(native.LoadError, match="another machine"):
        native.functions(code[:18] + struct.pack("<H", 8) + code[20:])


def test_every_truncation(code):
    for size in range(0, len(code), max(1, len(code) // 300)):
        with pytest.raises(native.LoadError):
            native.functions(code[:size])


def test_damage_never_crashes(code):
    """Only loaded, not run: damage within the instructions cannot be seen here; a checksum covers it."""
    random.seed(7)
    headers = struct.unpack_from("<Q", code, 0x28)[0]
    loaded = refused = 0
    for trial in range(3000):
        damaged = bytearray(code)
        for _ in range(random.choice((1, 1, 2, 8))):
            place = (
                random.randrange(64)
                if trial % 5 == 0
                else random.randrange(headers, len(code))
                if trial % 2
                else random.randrange(len(code))
            )
            damaged[place] = random.randrange(256)
        try:
            native.functions(bytes(damaged))
            loaded += 1
        except native.LoadError:
            refused += 1
    assert refused > 100 and loaded > 100
