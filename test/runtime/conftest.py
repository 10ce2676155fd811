"""Programs made of kernels that are written in C, so that the runtime is tested without the compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jic.runtime.artifact import Artifact
from jic.runtime.program import Program

KERNELS = r"""
#include <stdint.h>
#include <math.h>
#include <string.h>

static const float table[4] = {1.0f, 2.0f, 4.0f, 8.0f};
static int64_t calls;
static float (*chosen)(float) = expf;
extern int optind;  /* data of another object */

#define KERNEL(name) void name(void **b, int64_t begin, int64_t end, void *scratch)

/* 3 inputs of 8 elements a task */
KERNEL(add3) {
  float *x = b[0], *y = b[1], *z = b[2], *o = b[3];
  for (int64_t i = begin * 8; i < end * 8; ++i) o[i] = x[i] + y[i] + z[i];
}
KERNEL(add) {
  float *x = b[0], *y = b[1], *o = b[2];
  for (int64_t i = begin; i < end; ++i) o[i] = x[i] + y[i];
}
KERNEL(increment) {
  float *x = b[0], *o = b[1];
  for (int64_t i = begin; i < end; ++i) o[i] = x[i] + 1.0f;
}
/* reads its neighbours' results of the step before: wrong without a barrier */
KERNEL(rotate) {
  float *x = b[0], *o = b[1];
  int64_t n = *(int64_t *)b[2];
  for (int64_t i = begin; i < end; ++i) o[i] = x[(i + n / 2) % n] + 1.0f;
}
KERNEL(exponential) {
  float *x = b[0], *o = b[1];
  for (int64_t i = begin; i < end; ++i) o[i] = chosen(x[i]) * table[i & 3] + expf(0.0f);
}
KERNEL(pick) {
  float *x = b[0]; int64_t *index = b[1]; float *o = b[2]; int64_t *status = b[3];
  for (int64_t i = begin; i < end; ++i) {
    int64_t k = index[i];
    if (k < 0 || k >= 4) { *status = 1; k = 0; }
    o[i] = x[k];
  }
}
KERNEL(count) { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); *(int64_t *)b[0] = calls + 0 * (int64_t)optind; }
KERNEL(with_scratch) {
  float *x = b[0], *o = b[1], *s = scratch;
  if (((uintptr_t)scratch) % 64) { o[0] = -1.0f; return; }
  memset(s, 0, 1024);
  for (int64_t i = begin; i < end; ++i) { s[i % 256] = x[i]; for (volatile int k = 0; k < 50; ++k); o[i] = s[i % 256]; }
}
KERNEL(slow) {
  float *x = b[0], *o = b[1];
  for (int64_t i = begin; i < end; ++i) {
    float v = x[i];
    for (int k = 0; k < 20000; ++k) v = v * 1.0001f + 0.0001f;
    o[i] = v;
  }
}
KERNEL(add_counter) {
  float *x = b[0], *o = b[2];
  for (int64_t i = begin; i < end; ++i) o[i] = x[i] + (float)*(int64_t *)b[1];
}
/* whether one of 300 elements is below 10 */
KERNEL(below) {
  float *x = b[0];
  char any = 0;
  for (int i = 0; i < 300; ++i) any |= x[i] < 10.0f;
  *(char *)b[1] = any;
}
KERNEL(nothing) { }
"""


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory):
    """C text to an object file's bytes."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder: Path = tmp_path_factory.mktemp("objects")
    made: dict[Any, bytes] = {}

    def compile_(text: str, *flags: str) -> bytes:
        key = (text, flags)
        if key not in made:
            source, target = folder / f"k{len(made)}.c", folder / f"k{len(made)}.o"
            source.write_text(text)
            subprocess.run([compiler, "-O2", "-fPIC", *flags, "-c", source, "-o", target], check=True)
            made[key] = target.read_bytes()
        return made[key]

    return compile_


@pytest.fixture(scope="session")
def code(compile_c) -> bytes:
    """The object with all kernels above."""
    return compile_c(KERNELS)


def manifest_of(inputs, outputs, steps, **fields: Any) -> dict[str, Any]:
    """A manifest from (dtype, shape) pairs and steps."""
    return {
        "format": 1,
        "target": "cpu",
        "features": "",
        "inputs": [{"dtype": d, "shape": list(s)} for d, s in inputs],
        "outputs": [{"dtype": d, "shape": list(s)} for d, s in outputs],
        "workspace": 0,
        "scratch": 0,
        "constants": [],
        "values": 0,
        "steps": steps,
        **fields,
    }


def launch(kernel: str, buffers, inputs: int, tasks: int, cost: int = 100, **fields: Any) -> dict[str, Any]:
    """A launch step."""
    slots = [list(b) for b in buffers]
    return {
        "op": "launch",
        "kernel": kernel,
        "buffers": slots,
        "inputs": inputs,
        "tasks": tasks,
        "cost": cost,
        **fields,
    }


@pytest.fixture(scope="session")
def make_program(code):
    """Builds a Program on the kernels above."""

    def make(inputs, outputs, steps, blob: bytes = b"", **fields: Any) -> Program:
        return Program(Artifact(manifest_of(inputs, outputs, steps, **fields), code, blob))

    return make


@pytest.fixture
def add3(make_program):
    """o = x + y + z on 8x8 floats."""
    t = ("float32", (8, 8))
    return make_program([t] * 3, [t], [launch("add3", [("input", 0), ("input", 1), ("input", 2), ("output", 0)], 3, 8)])
