"""Python loops: compile time, run time against eager, TorchScript and TorchInductor, and what a `while` costs in signatures.

    python benchmarks/control_flow.py [--part compile run signatures] [--only NAME] [--threads 1 2] [--json loops.json]
        [--contenders jic eager torchscript inductor] [--inductor-seconds 600]

Every row's result is compared with eager's before it is timed. TorchInductor unrolls loops, so it gets about 100 steps (jic runs
as many beside it), in a process of its own that is ended after `--inductor-seconds`; `--inductor-full` gives it all steps.
`PASS` and `FAIL` compare with the bars in `loops.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import loops
import torch
from harness import Call, assert_same, take_turns

import jic

UNCACHED = jic.JitConfig(enable_caching=False)
Row = dict[str, Any]

FIRST_CALL = """
import sys, time
sys.path.insert(0, {directory!r})
import torch, torch._dynamo, jic, loops
arguments = loops.cell_arguments({steps})
start = time.perf_counter()
with torch.inference_mode():
    if {contender!r} == "jic":
        jic.compile(loops.cell)(*arguments)
    else:
        torch.compile(loops.cell)(*arguments)
print("seconds", time.perf_counter() - start)
"""


def mark(ok: bool) -> str:
    return "PASS" if ok else "FAIL"


def milli(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.1f} us"


# ---- processes that may take too long ----


def child(command: list[str], seconds: float) -> str | None:
    """The output of a fresh process with empty caches; None if it took longer than `seconds` and was ended, or failed."""
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "JIC_CACHE_DIR": directory, "TORCHINDUCTOR_CACHE_DIR": directory}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        process = subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # the compiler's own processes end with it
        )
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        if process.returncode != 0:
            print(errors[-2000:], file=sys.stderr)
            return None
        return output


# ---- (a) compile time ----


def compile_rows(options: argparse.Namespace) -> list[Row]:
    """Seconds from a new `jic.compile` to the end of its first call, less a later call; must not grow with the steps."""
    torch.set_num_threads(max(options.threads))
    rows: list[Row] = []
    with torch.inference_mode():
        jic.compile(loops.cell, config=UNCACHED)(*loops.cell_arguments(7))  # imports, and what a process does once
        for steps in options.steps:
            times = []
            for _ in range(3):
                arguments = loops.cell_arguments(steps)
                compiled = jic.compile(loops.cell, config=UNCACHED)
                start = time.perf_counter()
                compiled(*arguments)
                middle = time.perf_counter()
                compiled(*arguments)
                times.append((middle - start) - (time.perf_counter() - middle))
            times.sort()
            rows.append({"part": "compile", "name": f"compile cell T={steps}", "steps": steps, "jic_s": times[1]})
            print(f"compile cell T={steps:<6} jic {times[1]:.3f} s", flush=True)
    if len(rows) > 1:
        growth = rows[-1]["jic_s"] / rows[0]["jic_s"]
        ok = growth <= 2.0
        rows.append({"part": "compile", "name": "growth of compile time", "ratio": growth, "pass": ok})
        print(
            f"T={rows[-2]['steps']} takes {growth:.2f} times as long as T={rows[0]['steps']}   (at most 2)  {mark(ok)}"
        )
    return rows + first_call_rows(options)


def first_call_rows(options: argparse.Namespace) -> list[Row]:
    """The first call in a fresh process without caches; imports of torch are not counted, those of the compiler are.

    Python has compiled the sources of both before, as it has when they are installed.
    """
    found: dict[str, float | None] = {}
    for contender, steps in (("jic", 1000), ("inductor", 100)):
        if contender not in options.contenders:
            continue
        program = FIRST_CALL.format(directory=str(Path(__file__).parent), steps=steps, contender=contender)
        if contender == "jic":
            child(["-c", program], options.inductor_seconds)  # torch is installed, jic may be run from a checkout
        output = child(["-c", program], options.inductor_seconds)
        found[contender] = None if output is None else float(output.split()[-1])
        text = (
            f"more than {options.inductor_seconds:.0f} s, or failed" if output is None else f"{found[contender]:.2f} s"
        )
        print(f"first call of cell in a fresh process: {contender}, T={steps}: {text}", flush=True)
    row: Row = {"part": "compile", "name": "first call in a fresh process"}
    row |= {f"{contender}_s": seconds for contender, seconds in found.items()}
    return [row]


# ---- (b) run time ----


def same_results(work: loops.Work, found: Any, expected: Any) -> None:
    if work.agree is not None:
        assert work.agree(found, expected), f"{work.name}: results differ from eager's"
    else:
        assert_same(found, expected, work.tolerance)


def scripted(work: loops.Work, arguments: tuple[Any, ...]) -> Call:
    """TorchScript's callable, scripted, else traced; called until its profiling executor has settled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function: Any = torch.jit.script(work.function)
            function(*arguments)
        except Exception:  # what TorchScript's front end refuses has many types
            function = torch.jit.trace(work.function, arguments, check_trace=False)
        for _ in range(3):
            found = function(*arguments)
    same_results(work, found, work.function(*arguments))
    return lambda: function(*arguments)


def contenders(work: loops.Work, names: list[str], arguments: tuple[Any, ...], row: Row) -> dict[str, Call]:
    """Checked callables, in the order of `names`; `row` gets the compile times."""
    expected = work.function(*arguments)
    calls: dict[str, Call] = {}
    for name in names:
        if name == "eager":
            calls[name] = lambda: work.function(*arguments)
        elif name == "torchscript":
            calls[name] = scripted(work, arguments)
        else:
            compiled = jic.compile(work.function, config=UNCACHED) if name == "jic" else torch.compile(work.function)
            start = time.perf_counter()
            same_results(work, compiled(*arguments), expected)
            row[f"{name}_first_s"] = time.perf_counter() - start
            calls[name] = lambda compiled=compiled: compiled(*arguments)
            if name == "jic":
                row["runs_eagerly"] = any(s["eager"] for s in compiled.stats()["signatures"])
    return calls


def run_row(work: loops.Work, threads: int, options: argparse.Namespace) -> Row:
    torch.set_num_threads(threads)
    row: Row = {"part": "run", "name": work.name, "threads": threads}
    calls = contenders(work, [n for n in options.contenders if n != "inductor"], work.arguments, row)
    row |= {f"{name}_s": seconds for name, seconds in take_turns(calls, options.rounds).items()}
    row |= {f"vs_{n}": row[f"{n}_s"] / row["jic_s"] for n in calls if n != "jic" and "jic" in calls}
    if "inductor" in options.contenders and "inductor" in work.bars:
        command = [__file__, "--child", work.name, "--threads", str(threads), "--rounds", str(options.rounds)]
        command += ["--inductor-full"] if options.inductor_full else []
        command += ["--contenders", *(n for n in ("jic", "inductor") if n in options.contenders)]
        output = child(command, options.inductor_seconds)
        theirs: Row = json.loads(output.splitlines()[-1]) if output is not None else {}
        row["inductor_s"], row["inductor_first_s"] = theirs.get("inductor_s"), theirs.get("inductor_first_s")
        if "jic_s" in theirs:
            row["vs_inductor"] = theirs["inductor_s"] / theirs["jic_s"]
    if work.flops:
        row |= {f"{n}_gflop_s": work.flops / row[f"{n}_s"] * 1e-9 for n in calls}
    row["passes"] = {n: row[f"vs_{n}"] >= bar for n, bar in work.bars.items() if f"vs_{n}" in row}
    return row


def child_row(work: loops.Work, options: argparse.Namespace) -> Row:
    """What `--child` prints: TorchInductor's times for one row, beside jic's for the same arguments."""
    torch.set_num_threads(options.threads[0])
    torch._dynamo.config.allow_rnn = True
    arguments = work.arguments if options.inductor_full else work.short or work.arguments
    row: Row = {}
    calls = contenders(work, options.contenders, arguments, row)
    return row | {f"{name}_s": seconds for name, seconds in take_turns(calls, options.rounds).items()}


def show(row: Row, bars: dict[str, float]) -> str:
    def rate(name: str) -> str:
        return f" {row[f'{name}_gflop_s']:.0f} GF/s" if f"{name}_gflop_s" in row else ""

    parts = [f"{row['name']:26} {row['threads']} thread(s)"]
    if "jic_s" in row:
        parts.append(f"jic {milli(row['jic_s'])}{rate('jic')}" + (" (ran eagerly)" if row["runs_eagerly"] else ""))
    for name in ("eager", "torchscript", "inductor"):
        if f"{name}_s" not in row:
            continue
        text = f"{name} " + ("none in time" if row[f"{name}_s"] is None else milli(row[f"{name}_s"]) + rate(name))
        if f"vs_{name}" in row:
            text += f" {row[f'vs_{name}']:.2f}x"
            text += f" (>= {bars[name]:g}) {mark(row['passes'][name])}" if name in bars else ""
        parts.append(text)
    return "  ".join(parts)


def run_rows(options: argparse.Namespace) -> list[Row]:
    rows = []
    with torch.inference_mode():
        for work in selected(options):
            for threads in options.threads:
                rows.append(run_row(work, threads, options))
                print(show(rows[-1], work.bars), flush=True)
    marks = [ok for row in rows for ok in row["passes"].values()]
    if marks:
        print(f"bars met: {sum(marks)} of {len(marks)}")
    return rows


def selected(options: argparse.Namespace) -> list[loops.Work]:
    return [w for w in loops.works() if not options.only or any(text in w.name for text in options.only)]


# ---- (c) signatures of a `while` ----


def signature_rows(options: argparse.Namespace) -> list[Row]:
    """A `while` that ends when the data say so is compiled once, however often its body runs."""
    compiled = jic.compile(loops.countdown, config=UNCACHED)
    with torch.inference_mode():
        for exponent in (0, 1, 5, 40, 3):
            x = torch.tensor(2.0**exponent)
            assert_same(compiled(x), loops.countdown(x), 0.0)
    signatures = compiled.stats()["signatures"]
    programs = sum(not s["eager"] for s in signatures)
    ok = len(signatures) == programs == 1
    print(
        f"while with 1, 2, 6, 41 and 4 steps: {len(signatures)} signature(s), {programs} compiled  (1 and 1)  {mark(ok)}"
    )
    return [{"part": "signatures", "name": "while", "signatures": len(signatures), "compiled": programs, "pass": ok}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", default=["compile", "run", "signatures"], help="which parts to run")
    parser.add_argument("--only", nargs="+", help="rows of the part `run` whose name contains one of these")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 100, 1000, 10000], help="of the part `compile`")
    parser.add_argument("--contenders", nargs="+", default=["jic", "eager", "torchscript", "inductor"])
    parser.add_argument("--inductor-seconds", type=float, default=600.0, help="after which TorchInductor is ended")
    parser.add_argument("--inductor-full", action="store_true", help="give TorchInductor all steps of a row")
    parser.add_argument("--json", help="write the rows to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.child:
        with torch.inference_mode():
            work = next(w for w in loops.works() if w.name == options.child)
            print(json.dumps(child_row(work, options)))
        return
    rows: list[Row] = []
    for part, function in (("compile", compile_rows), ("run", run_rows), ("signatures", signature_rows)):
        if part in options.part:
            print(f"== {part}", flush=True)
            rows += function(options)
    if options.json:
        machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
        Path(options.json).write_text(json.dumps({**machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
