"""Coverage and correctness over PyTorch's own op database (`torch.testing._internal`, which needs `expecttest`).

    python benchmarks/opinfo_sweep.py --dtypes float32 int64 bool --samples 3 --json sweep.json

For each op and dtype some of PyTorch's sample inputs are compiled, run and compared with eager, each op in a child
process with a time limit, so that a crash or a hang is counted and the sweep goes on. A sample is `ok` (all in
kernels), `part` (ATen calls beside kernels, be it only copies), `aten` (only ATen calls), `eager` (capture failed;
eager ran), `random` (compiled, values not compared), `wrong`, `error` (jic failed where eager does not), `crash` or
`hang`.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils import _pytree as pytree

import jic
from jic.api.compiled import Entry

OUTCOMES = ("ok", "part", "aten", "eager", "random", "wrong", "error", "crash", "hang")
BAD = ("wrong", "error", "crash", "hang")
# Relative and absolute tolerance; the absolute one in units of the result's largest magnitude.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
# Their elements are undefined, or random numbers drawn in another order.
UNDEFINED = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted")


def same(found: Any, expected: Any) -> str:
    """What differs, or ''."""
    ours, spec = pytree.tree_flatten(found)
    eager, expected_spec = pytree.tree_flatten(expected)
    if len(ours) != len(eager) or (spec != expected_spec and "return_types" not in str(expected_spec)):
        return f"structure {spec} instead of {expected_spec}"
    for a, e in zip(ours, eager, strict=True):
        if not isinstance(e, torch.Tensor):
            if a != e and not (a != a and e != e):
                return f"{a} instead of {e}"
            continue
        if a.dtype != e.dtype or a.shape != e.shape or a.layout != e.layout:
            return f"{a.dtype} {tuple(a.shape)} instead of {e.dtype} {tuple(e.shape)}"
        if e.is_floating_point() and e.layout == torch.strided:
            finite = e[torch.isfinite(e)].abs().double()
            scale = max(1.0, finite.max().item()) if finite.numel() else 1.0
            rtol = TOLERANCE.get(e.dtype, 0.0)
            close = torch.isclose(a.double(), e.double(), rtol=rtol, atol=rtol * scale, equal_nan=True)
        else:
            close = torch.isclose(a.to_dense(), e.to_dense(), equal_nan=e.is_complex())
        if not close.all():
            where = tuple(torch.nonzero(~close)[0].tolist()) if close.dim() else ()
            return f"{int((~close).sum())} of {e.numel()} elements, first {a[where]} instead of {e[where]} at {where}"
    return ""


def outcome_of(entry: Entry) -> tuple[str, str]:
    fallbacks = entry.fallbacks()
    why = "; ".join(dict.fromkeys(f"{r.op}: {r.why}" for r in fallbacks))
    if entry.eager:
        return ("error" if "internal error" in why else "eager"), why
    if not fallbacks:
        return "ok", ""
    return ("part" if any(s["op"] == "launch" for s in entry.steps) else "aten"), why


def try_sample(op: Callable[..., Any], sample: Any, undefined: bool) -> tuple[str, str]:
    """Outcome and reason of one sample."""
    args, kwargs = (sample.input, *sample.args), sample.kwargs

    def function(*args: Any, **kwargs: Any) -> Any:
        return op(*args, **kwargs)

    def copied() -> Any:
        return pytree.tree_map(lambda t: t.clone() if isinstance(t, torch.Tensor) else t, (args, kwargs))

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, first_kwargs = copied()
        torch.manual_seed(1)
        try:
            expected = function(*first, **first_kwargs)
        except Exception:
            return "", ""
        compiled = jic.compile(function, config=jic.JitConfig(enable_caching=False))
        for _ in range(2):
            ours, ours_kwargs = copied()
            torch.manual_seed(1)
            try:
                found = compiled(*ours, **ours_kwargs)
            except Exception as error:
                return "error", f"{type(error).__name__}: {error}\n{traceback.format_exc()[-1500:]}"
            if not undefined:
                difference = same(found, expected) or same((ours, ours_kwargs), (first, first_kwargs))
                if difference:
                    return "wrong", difference
    outcome, why = outcome_of(compiled.entries[-1]) if compiled.entries else ("eager", "not compiled")
    return ("random", why) if undefined and outcome == "ok" else (outcome, why)


def spread(samples: Iterator[Any], count: int) -> list[Any]:
    found = list(islice(samples, 200))
    step = max(1.0, len(found) / count)
    return [found[int(i * step)] for i in range(min(count, len(found)))]


def try_op(info: Any, dtype: torch.dtype, count: int, report: Callable[[dict[str, str]], None]) -> None:
    for sample in spread(iter(info.sample_inputs("cpu", dtype, requires_grad=False)), count):
        text = str(sample.summary())
        report({"sample": text})
        outcome, why = try_sample(info.op, sample, info.name in UNDEFINED)
        if outcome:
            report({"sample": text, "outcome": outcome, "why": why})


def in_child(work: Callable[[Callable[[dict[str, str]], None]], None], limit: float) -> list[dict[str, str]]:
    """The reports of `work` from a forked process; a crash or a hang is one more, on the sample it happened in."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as out:

            def report(record: dict[str, str]) -> None:
                out.write(json.dumps(record) + "\n")
                out.flush()

            try:
                work(report)
            except BaseException as error:
                report({"sample": "", "outcome": "error", "why": f"sweep: {error!r}"})
        os._exit(0)
    os.close(writer)
    lines, end = b"", time.monotonic() + limit
    hung = False
    with os.fdopen(reader, "rb", buffering=0) as source:
        while True:
            ready, _, _ = select.select([source], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                hung = True
                os.kill(child, signal.SIGKILL)
                break
            data = source.read(65536)
            if not data:
                break
            lines += data
    _, status = os.waitpid(child, 0)
    records = [json.loads(line) for line in lines.decode(errors="replace").splitlines() if line.endswith("}")]
    found = [r for r in records if "outcome" in r]
    if status != 0:
        last = records[-1]["sample"] if records else ""
        found.append({"sample": last, "outcome": "hang" if hung else "crash", "why": f"status {status}"})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "int64", "bool"])
    parser.add_argument("--samples", type=int, default=3, help="of each op and dtype")
    parser.add_argument("--only", nargs="*", help="ops with one of these names")
    parser.add_argument("--part", default="0/1", help="i/n: every n-th op, from the i-th on")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds for an op and dtype")
    parser.add_argument("--json", help="write every sample's outcome to this file")
    options = parser.parse_args()
    from torch.testing._internal.common_methods_invocations import op_db

    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
    with torch.no_grad():
        jic.compile(lambda x: x.exp().sum(-1), config=jic.JitConfig(enable_caching=False))(torch.randn(4, 4))
    part, parts = map(int, options.part.split("/"))
    records: list[dict[str, str]] = []
    infos = [i for i in op_db if not options.only or i.name in options.only][part::parts]
    for number, info in enumerate(infos):
        for name in options.dtypes:
            dtype = getattr(torch, name)
            if dtype not in info.supported_dtypes("cpu"):
                continue
            found = in_child(lambda report: try_op(info, dtype, options.samples, report), options.limit)  # noqa: B023
            for record in found:
                records.append({"op": info.full_name, "dtype": name, **record})
                if record["outcome"] in BAD:
                    print(f"{record['outcome']:6} {info.full_name} {name}: {record['why'][:300]}", flush=True)
        if number % 50 == 49:
            print(f"# {number + 1} of {len(infos)} ops", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(records, file, indent=0)
    print_table(records)


def print_table(records: list[dict[str, str]]) -> None:
    print(
        "\n" + "dtype".ljust(10) + "".join(o.rjust(8) for o in OUTCOMES) + "   samples (ops whose worst sample is that)"
    )
    for name in dict.fromkeys(r["dtype"] for r in records):
        mine = [r for r in records if r["dtype"] == name]
        counts = collections.Counter(r["outcome"] for r in mine)
        worst: dict[str, int] = {}
        for r in mine:
            worst[r["op"]] = max(worst.get(r["op"], 0), OUTCOMES.index(r["outcome"]))
        ops = collections.Counter(OUTCOMES[w] for w in worst.values())
        print(name.ljust(10) + "".join(f"{counts[o]}({ops[o]})".rjust(8) for o in OUTCOMES))
    reasons = collections.Counter(
        r["why"].split("; ")[0][:110] for r in records if r["outcome"] in ("part", "aten", "eager")
    )
    print("\ncommonest reasons of fallbacks")
    for why, count in reasons.most_common(40):
        print(f"{count:6} {why}")


if __name__ == "__main__":
    main()
