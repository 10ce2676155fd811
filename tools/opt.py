"""`jic-opt`: reads IR, runs passes, writes IR."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

from jic import dialects
from jic.errors import ConfigError, JicError
from jic.passes import registry
from jic.passes.options import describe, print_value
from jic.passes.pipeline import Pipeline
from jic.targets import passes as _target_passes  # noqa: F401  (registers the targets' passes)

from . import options
from .diagnostics import Diagnostic
from .driver import Run, as_diagnostic, torch_extension
from .options import Options

UPSTREAM_DIALECTS = (
    "acc", "affine", "amdgpu", "arith", "arm_neon", "arm_sme", "arm_sve", "async", "bufferization", "builtin", "cf",
    "complex", "dlti", "emitc", "func", "gpu", "index", "irdl", "linalg", "llvm", "math", "memref", "ml_program", "mpi",
    "nvgpu", "nvvm", "omp", "pdl", "pdl_interp", "ptr", "quant", "rocdl", "scf", "shape", "shard", "smt",
    "sparse_tensor", "spirv", "tensor", "tosa", "transform", "ub", "vector", "wasmssa", "x86", "xegpu", "xevm",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run `jic-opt` with `argv` (without the program's name) and return its exit status, 0 or 1."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        return run(options.parse(arguments))
    except JicError as error:
        print(as_diagnostic(error, "jic-opt"), file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
    except SystemExit as stop:  # --help, --version
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
    except Exception as error:
        if "--debug" in arguments:
            raise
        text = f"internal error: {type(error).__name__}: {error} (--debug shows the traceback)"
        print(Diagnostic("error", text, "jic-opt", 1, 1), file=sys.stderr)
    return 1


def run(options: Options) -> int:
    for module in options.load:
        load(module)
    if options.list_passes:
        print(list_passes())
        return 0
    pipeline = make_pipeline(options)
    if options.show_dialects:
        print(show_dialects())
        return 0
    if options.dump_pass_pipeline:
        print(f"Pass Manager with {len(pipeline.steps)} passes:\n{pipeline}", file=sys.stderr)
    return Run(options, pipeline).all()


def make_pipeline(options: Options) -> Pipeline:
    """The pipeline of `--pass-pipeline`, or of the pass options in their order."""
    if any("torch" in text for text in (options.pass_pipeline or "", *options.pass_flags)):
        torch_extension()  # registers torch-mlir's passes
    if options.pass_pipeline is not None:
        return Pipeline.parse(options.pass_pipeline)
    steps = []
    for flag in options.pass_flags:
        name, _, given = flag.partition("=")
        if not registry.is_known(name):
            _refuse_misspelled(name)
        steps += Pipeline.parse(f"{name}{{{given}}}" if given else name, f"--{name}").steps
    return Pipeline(tuple(steps))


def _refuse_misspelled(name: str) -> None:
    """Say "did you mean" for a misspelled option of the tool, which else is reported as an unknown pass."""
    near = difflib.get_close_matches(name, options.names(), n=1, cutoff=0.85)
    if near:
        raise ConfigError(f"unknown option --{name}", hint=f"did you mean --{near[0]}?", location="<command-line>:1:1")


def load(name: str) -> None:
    """Import a user's module, or run a user's `.py` file, which registers passes or fusion rules."""
    path = Path(name)
    try:
        if path.suffix != ".py":
            importlib.import_module(name)
            return
        if not path.is_file():
            raise ConfigError("cannot load the file: no such file", location=f"{name}:1:1")
        unique = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
        spec = importlib.util.spec_from_file_location(f"jic_loaded_{path.stem}_{unique}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
    except JicError:
        raise
    except SyntaxError as error:
        where = f"{error.filename or name}:{error.lineno or 1}:{error.offset or 1}"
        raise ConfigError(f"cannot load '{name}': {error.msg}", location=where) from error
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        where = f"{name}:{frames[-1].lineno}:1" if frames else f"{name}:1:1"
        raise ConfigError(f"cannot load '{name}': {type(error).__name__}: {error}", location=where) from error


def list_passes() -> str:
    """jic's passes with their summaries and options."""
    lines: list[str] = []
    for name in registry.names():
        cls = registry.lookup(name)
        lines.append(f"  --{name:<34} {cls.summary()}")
        hints = get_type_hints(cls)
        defaults = cls()
        for option in fields(cls):
            spelling = option.name.replace("_", "-")
            default = print_value(getattr(defaults, option.name))
            lines.append(f"      {spelling + '=' + default:<32} {describe(hints[option.name])}")
    return "\n".join(["jic's passes:", *lines, "", "Upstream passes are run by their mlir-opt names."])


def show_dialects() -> str:
    context = dialects.context()
    found = ["jic", "torch"]
    for name in UPSTREAM_DIALECTS:
        try:
            context.get_dialect_descriptor(name)
        except ValueError:
            continue
        found.append(name)
    return "Available Dialects: " + ", ".join(sorted(found))


if __name__ == "__main__":
    sys.exit(main())
