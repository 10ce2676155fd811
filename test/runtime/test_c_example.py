"""The library and the C examples, built as their users do, give the bits that the process gives."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.c_api import CError, Model, load_library

import jic

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/c"


def run(*command: object) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library is installed; built without optimization, which takes a third of the time."""
    lacking = [name for name in ("cmake", "cc", "c++") if shutil.which(name) is None]
    if lacking:
        pytest.skip(f"no {', '.join(lacking)}")
    folder = tmp_path_factory.mktemp("library")
    options = (
        "-DJIC_CORE_ONLY=ON",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O0",
        "-DPython_EXECUTABLE=/none",
    )
    run("cmake", "-S", ROOT, "-B", folder / "build", *options)
    run("cmake", "--build", folder / "build", "--parallel", 2)
    run("cmake", "--install", folder / "build", "--prefix", folder / "prefix")
    return folder / "prefix"


@pytest.fixture(scope="module")
def programs(prefix: Path) -> Path:
    """Where the examples' programs and their models are."""
    folder = prefix.parent / "examples"
    run("cmake", "-S", EXAMPLES, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder)
    before = sys.argv
    try:
        sys.argv = ["export.py", str(folder)]
        runpy.run_path(str(EXAMPLES / "export.py"), run_name="__main__")
    finally:
        sys.argv = before
    return folder


def test_encoder(programs: Path) -> None:
    tokens = torch.from_file(str(programs / "tokens.f32"), size=8 * 64 * 256).reshape(8, 64, 256)
    with torch.no_grad():
        expected = jic.load(programs / "encoder.jic")(tokens)
    for threads in (1, 2, 3):
        out = programs / f"out{threads}.f32"
        said = run(programs / "encoder", programs / "encoder.jic", programs / "tokens.f32", out, 3, threads)
        assert "(float32[8, 64, 256])" in said
        got = torch.from_file(str(out), size=8 * 64 * 256).reshape(8, 64, 256)
        assert torch.equal(got, expected), f"{threads} threads"


def test_loop(programs: Path) -> None:
    loaded = jic.load(programs / "loop.jic")
    for tolerance, numbers in ((1e-6, [0.5, 0.25, 2, 3, 100]), (1e-3, [9, 8, 7, 6, 1e6]), (10.0, [1, 1, 1, 1, 1])):
        said = run(programs / "loop", programs / "loop.jic", tolerance, *numbers).split()
        roots, steps = loaded(torch.tensor([float(n) for n in numbers]), torch.tensor(tolerance))
        assert [float.fromhex(x) for x in said[:5]] == roots.tolist() and int(said[5]) == int(steps)


def test_a_file_that_is_refused_ends_the_program_with_its_code(programs: Path) -> None:
    (programs / "cut.jic").write_bytes((programs / "loop.jic").read_bytes()[:-1])
    done = subprocess.run(
        [programs / "loop", programs / "cut.jic", "1", *"12345"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stderr.startswith("JIC_ERROR_CUT_SHORT: ")


CONCURRENT = r"""
#include <jic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 8 * 64 * 256 };
static jic_model *model;
static float tokens[N], expected[N];
static const int64_t shape[3] = {8, 64, 256};

static int same(void) {
  float *out = malloc(sizeof tokens);
  jic_tensor in = {tokens, JIC_FLOAT32, 3, shape, NULL}, to = {out, JIC_FLOAT32, 3, shape, NULL};
  int ok = jic_run(model, 0, &in, 1, &to, 1) == JIC_OK && !memcmp(out, expected, sizeof expected);
  free(out);
  return ok;
}

static void *work(void *right) {
  for (int i = 0; i < 4; ++i) *(int *)right &= same();
  return NULL;
}

int main(int argc, char **argv) {
  FILE *file = fopen(argv[2], "rb");
  if (argc != 3 || !file || fread(tokens, 1, sizeof tokens, file) != sizeof tokens) return 2;
  jic_tensor in = {tokens, JIC_FLOAT32, 3, shape, NULL}, out = {expected, JIC_FLOAT32, 3, shape, NULL};
  if (jic_load(argv[1], &model) || jic_set_num_threads(1) || jic_run(model, 0, &in, 1, &out, 1)) return 3;
  for (int threads = 1; threads < 6; threads += 2) {
    jic_set_num_threads(threads);
    if (jic_num_threads() != threads) return 4;
    pthread_t workers[3];
    int right[3] = {1, 1, 1};
    for (int k = 0; k < 3; ++k) pthread_create(&workers[k], NULL, work, &right[k]);
    if (threads == 3) jic_set_num_threads(2); /* waits, or takes effect with the next run */
    for (int k = 0; k < 3; ++k) pthread_join(workers[k], NULL);
    if (!right[0] || !right[1] || !right[2]) return 5;
  }
  pid_t child = fork();
  if (child == 0) _exit(jic_num_threads() == 1 && same() ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  if (status || !same()) return 6;
  jic_free(model);
  puts("right");
  return 0;
}
"""


def test_threads_of_the_librarys_own(programs: Path, prefix: Path) -> None:
    """Runs at the same time, teams of changing size, a forked child: the same bits."""
    source, program = programs / "concurrent.c", programs / "concurrent"
    source.write_text(CONCURRENT)
    library = prefix / "lib"
    run(
        "cc",
        "-pthread",
        f"-I{prefix / 'include'}",
        source,
        f"-L{library}",
        "-ljic",
        f"-Wl,-rpath,{library}",
        "-o",
        program,
    )
    assert run(program, programs / "encoder.jic", programs / "tokens.f32") == "right\n"


def test_the_static_library_and_cpp(programs: Path, prefix: Path) -> None:
    """The header is C++ as well; the static library needs the C++ runtime and threads, nothing else."""
    program = programs / "static"
    run("c++", "-x", "c++", "-fpermissive", "-w", f"-I{prefix / 'include'}", EXAMPLES / "loop.c", "-x", "none",
        prefix / "lib/libjic.a", "-pthread", "-ldl", "-o", program)  # fmt: skip
    said = [run(p, programs / "loop.jic", 1e-6, 1, 2, 3, 4, 5) for p in (program, programs / "loop")]
    assert said[0] == said[1]
    assert "jic" not in run("ldd", program) if shutil.which("ldd") else True


def test_the_library_needs_nothing_of_python_and_torch(prefix: Path, programs: Path) -> None:
    if shutil.which("ldd"):
        needed = run("ldd", prefix / "lib/libjic.so")
        assert not any(name in needed for name in ("python", "torch", "gomp"))
    if shutil.which("nm"):
        symbols = run("nm", "-D", "--defined-only", prefix / "lib/libjic.so").split()
        own = {s for s in symbols if s.startswith("jic_")}
        header = (prefix / "include/jic.h").read_text()
        assert own and all(name in header for name in own)
    with pytest.raises(CError, match="JIC_ERROR_FILE"):
        Model(programs / "nothing.jic", load_library(prefix / "lib/libjic.so"))


def test_the_code_in_the_documentation(programs: Path, prefix: Path, tmp_path: Path) -> None:
    text = (ROOT / "docs/runtime.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```c\n(.*?)^```", text, re.M | re.S)
    (tmp_path / "sample.c").write_text(block)
    net, library = torch.nn.Linear(64, 10), prefix / "lib"
    path = jic.export(net, torch.randn(8, 64), path=tmp_path / "model.jic", torch_free=True)
    run("cc", "-Wall", "-Werror", f"-I{prefix / 'include'}", tmp_path / "sample.c", f"-L{library}", "-ljic",
        f"-Wl,-rpath,{library}", "-o", tmp_path / "sample")  # fmt: skip
    assert float(run(tmp_path / "sample", path)) == pytest.approx(float(net.bias.detach()[0]), abs=1e-5)
