"""`jic`: explains, runs, prints and times what jic makes of a function or a module."""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from jic.errors import ConfigError, JicError

STAGES = ("torch", "jic", "kernels", "cpu", "llvm")
EXPORTED = ".jic"
TARGET_HELP = "path/to/file.py:name or package.module:name of a function, a module, or a factory of one"
INPUT_HELP = (
    "f32[8,64], i64[4]:0:100 (random), 3, 0.5, true, none, FILE.pt; NAME=SPEC for a keyword argument; "
    "for an exported file also FILE.npz or FILE.safetensors"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `jic` with `argv` (without the program's name) and return its exit status, 0 or 1."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        options = _parser().parse_args(arguments)
        status = options.command(options)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # --help, --version
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader of our output went away; Python must not flush to it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        print(f"jic: error: {_one_line(error)}", file=sys.stderr)
        return 1


def _one_line(error: Exception) -> str:
    if isinstance(error, JicError):
        message, hint = error.message, f" ({error.hint})" if error.hint else ""
    else:
        message, hint = f"{type(error).__name__}: {error}", " (--debug shows the traceback)"
    return " ".join(message.split()) + hint


# ---- commands ----


def explain(options: argparse.Namespace) -> int:
    import torch

    from jic import api

    fn, args, kwargs = _call(options)
    compiled = _compiled(fn, options)
    with torch.no_grad():
        print(api.explain(compiled, verbose=options.verbose)(*args, **kwargs))
    return 0


def show_ir(options: argparse.Namespace) -> int:
    fn, args, kwargs = _call(options)
    compiled = _compiled(fn, options)
    entry = _entry(compiled, args, kwargs)
    if entry.eager:
        why = "; ".join(reason.why for reason in entry.reasons)
        raise ConfigError(f"there is no IR: the call runs eagerly: {why}")
    print(compiled.ir(options.stage))
    return 0


def run(options: argparse.Namespace) -> int:
    """Compile, run, compare with eager: status 1 if the results or the changed inputs differ. An exported file is run alone."""
    if options.target.endswith(EXPORTED):
        from ._exported import run as run_file

        return run_file(options)
    if options.output:
        raise ConfigError("--output is for exported files", hint="name a file that `jic export` wrote")
    import torch

    from ._measure import difference, show, times

    fn, args, kwargs = _call(options)
    compiled = _compiled(fn, options)
    with torch.no_grad():
        results = []
        for function in (fn, compiled):
            torch.manual_seed(options.seed)
            own_args, own_kwargs = copy.deepcopy((args, kwargs))
            results.append((function(*own_args, **own_kwargs), own_args, own_kwargs))
        expected, actual = results
        entry = _entry(compiled, args, kwargs)
        worst, wrong = difference(actual, expected)
        print(f"call        {entry.signature}")
        if entry.eager:
            print(f"eager       {'; '.join(reason.why for reason in entry.reasons)}")
        print(f"result      {'differs from eager: ' + wrong if wrong else 'as in eager'}")
        print(f"difference  {worst:.3g}")
        best = times(_timed({"eager": fn, "jic": compiled}, args, kwargs), options.seconds)
    for name, (least, _) in best.items():
        print(f"{name:<12}{show(least)}")
    return 1 if wrong else 0


def bench(options: argparse.Namespace) -> int:
    import torch

    from ._measure import show, times

    fn, args, kwargs = _call(options)
    functions = {"eager": fn, "jic": _compiled(fn, options)}
    if options.inductor:
        functions["inductor"] = torch.compile(fn)
    with torch.no_grad():
        measured = times(_timed(functions, args, kwargs), options.seconds)
    eager = measured["eager"][0]
    print(f"{'':<12}{'least':>12}{'median':>12}{'eager/this':>12}")
    for name, (least, middle) in measured.items():
        print(f"{name:<12}{show(least):>12}{show(middle):>12}{eager / least:>12.2f}")
    return 0


def export(options: argparse.Namespace) -> int:
    from ._exported import export as export_call

    return export_call(options, *_call(options), _config(options))


def inspect(options: argparse.Namespace) -> int:
    from ._exported import inspect as inspect_file

    return inspect_file(options)


def cache(options: argparse.Namespace) -> int:
    from jic.runtime import ArtifactCache

    kept = ArtifactCache(options.dir)
    if options.clear:
        kept.clear()
    count = sum(1 for _ in kept.directory.glob("??/*.jic"))
    print(f"directory  {kept.directory}")
    print(f"entries    {count}")
    print(f"size       {kept.size_bytes() / 2**10:.0f} KiB")
    return 0


# ---- what the commands share ----


def _call(options: argparse.Namespace) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The target and the arguments of one call; the random inputs are the same for the same `--seed`."""
    import torch

    from ._inputs import parse
    from ._target import resolve

    fn = resolve(options.target)
    torch.manual_seed(options.seed)
    return fn, *parse(options.input)


def _compiled(fn: Callable[..., Any], options: argparse.Namespace) -> Any:
    from jic import api

    return api.compile(fn, config=_config(options), strict=options.strict)


def _config(options: argparse.Namespace) -> Any:
    from jic import api

    return api.JitConfig(
        target_device=getattr(options, "device", "cpu"),
        fusion_strategy=options.fusion,
        enable_caching=not options.no_cache,
    )


def _entry(compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What jic knows of this call, compiled if need be. An error of the target's own code is raised as it is."""
    import torch

    with torch.no_grad():
        return getattr(compiled, "compiled", compiled).entry_for(args, kwargs)


def _timed(functions: dict[str, Callable[..., Any]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: (lambda f=f: f(*args, **kwargs)) for name, f in functions.items()}


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, hint=f"`{self.prog} --help` lists the options")


def _parser() -> argparse.ArgumentParser:
    from jic import __version__

    parser = _ArgumentParser(prog="jic", description=(__doc__ or "").replace("`", ""))
    parser.add_argument("--version", action="version", version=f"jic {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function)
        added.add_argument("--debug", action="store_true", help="show the Python traceback of an error")
        return added

    texts = {
        "explain": (explain, "say which kernels a call becomes and what falls back"),
        "run": (run, "compile, run, compare with eager; exit with 1 if the results differ; or run an exported file"),
        "ir": (show_ir, "print the IR of a call at one stage"),
        "bench": (bench, "time a call against eager"),
        "export": (export, "compile a call and write it to a file that jic.load, `jic run` and the C API read"),
    }
    for name, (function, text) in texts.items():
        added = command(name, function, text)
        added.add_argument("target", help=TARGET_HELP + ("; or an exported FILE.jic" if name == "run" else ""))
        added.add_argument("--input", "-i", action="append", default=[], metavar="SPEC", help=INPUT_HELP)
        added.add_argument("--seed", type=int, default=0, help="seed of the random inputs (default 0)")
        if name != "export":
            added.add_argument("--device", default="cpu", choices=("cpu", "vulkan"), help="the target to compile for")
            added.add_argument("--strict", action="store_true", help="fail if anything would fall back")
        added.add_argument("--fusion", default="default", choices=("none", "default", "aggressive"), help="strategy")
        added.add_argument("--no-cache", action="store_true", help="neither read nor write compiled artifacts on disk")
        if name == "explain":
            added.add_argument("--verbose", action="store_true", help="list all kernels and ops, however many")
        if name == "ir":
            added.add_argument("--stage", default="kernels", choices=STAGES, help="default: kernels")
        if name in ("run", "bench"):
            seconds = 0.2 if name == "run" else 1.0
            added.add_argument("--seconds", type=float, default=seconds, help=f"time for each side (default {seconds})")
        if name == "run":
            text = "of an exported file: write the results to FILE.npz or FILE.safetensors instead of printing them"
            added.add_argument("--output", "-o", metavar="FILE", help=text)
        if name == "export":
            _add_export_options(added)
        if name == "bench":
            added.add_argument("--inductor", action="store_true", help="time torch.compile with Inductor as well")
    added = command("inspect", inspect, "say what an exported file holds")
    added.add_argument("file", help="FILE.jic")
    added.add_argument("--verbose", action="store_true", help="list all kernels, weights and constants")
    added = command("cache", cache, "show or clear the compiled artifacts on disk")
    added.add_argument("--clear", action="store_true", help="delete them")
    added.add_argument("--dir", default=None, help="another directory than the default one")
    return parser


def _add_export_options(added: argparse.ArgumentParser) -> None:
    added.add_argument("--output", "-o", default="model.jic", metavar="FILE", help="default: model.jic")
    text = "cpu (this machine), cpu:x86-64-v3, cpu:x86-64-v4, cuda:ARCH, vulkan; may be given several times"
    added.add_argument("--to", action="append", metavar="TARGET", help=text)
    text = "the inputs of one more call, with spaces between; may be given several times"
    added.add_argument("--also", action="append", default=[], metavar="SPECS", help=text)
    added.add_argument("--numbers", action="store_true", help="ints and floats are inputs rather than constants")
    added.add_argument("--torch-free", action="store_true", help="fail if a step calls ATen, which the C API cannot")


if __name__ == "__main__":
    sys.exit(main())
