"""The command line of `jic-opt`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from jic.errors import ConfigError

DESCRIPTION = """Reads IR (jic's dialect and every upstream one, text or bytecode), runs passes on it and prints it.

Every pass is also an option, run in the order given: --jic-NAME, or an upstream pass such as --cse or --canonicalize,
with its options as --NAME="a=1 b=2"."""


@dataclass(frozen=True)
class Options:
    """What the command line says; field names follow mlir-opt's options."""

    input: str = "-"
    output: str = "-"
    load: tuple[str, ...] = ()
    pass_pipeline: str | None = None
    pass_flags: tuple[str, ...] = ()
    split_input_file: bool = False
    verify_diagnostics: bool = False
    verify_each: bool = True
    allow_unregistered_dialect: bool = False
    no_implicit_module: bool = False
    emit_bytecode: bool = False
    print_ir_before: tuple[str, ...] = ()
    print_ir_after: tuple[str, ...] = ()
    print_ir_before_all: bool = False
    print_ir_after_all: bool = False
    print_ir_after_change: bool = False
    timing: bool = False
    dump_pass_pipeline: bool = False
    list_passes: bool = False
    show_dialects: bool = False
    debug: bool = False
    asm: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of `Operation.get_asm`."""


class _ArgumentParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, hint="`jic-opt --help` lists the options")


def parse(argv: Sequence[str]) -> Options:
    """Read the arguments. Raises `ConfigError`; `--help` and `--version` print and raise `SystemExit`."""
    known, rest = _parser().parse_known_args(list(argv))
    positional = [a for a in rest if not a.startswith("-")]
    if positional:
        raise ConfigError(f"unexpected argument '{positional[0]}': one input file at most")
    flags = tuple(a.lstrip("-") for a in rest)
    if flags and known.pass_pipeline is not None:
        raise ConfigError(f"--pass-pipeline and the pass option {rest[0]} exclude each other")
    values = vars(known)
    asm = {
        "enable_debug_info": values.pop("mlir_print_debuginfo"),
        "pretty_debug_info": values.pop("mlir_pretty_debuginfo"),
        "print_generic_op_form": values.pop("mlir_print_op_generic"),
        "use_local_scope": values.pop("mlir_print_local_scope"),
        "large_elements_limit": values.pop("mlir_elide_elementsattrs_if_larger"),
        "large_resource_limit": values.pop("mlir_elide_resource_strings_if_larger"),
    }
    values = {key.removeprefix("mlir_"): value for key, value in values.items()}
    values["load"] = tuple(values["load"])
    for key in ("print_ir_before", "print_ir_after"):
        values[key] = tuple(name for text in values[key] for name in text.split(","))
    values["verify_each"] = values["verify_each"] == "true"
    return Options(**values, pass_flags=flags, asm=asm)


def names() -> list[str]:
    """The long options, without their dashes."""
    return [option[2:] for action in _parser()._actions for option in action.option_strings if option[:2] == "--"]


def _parser() -> argparse.ArgumentParser:
    parser = _ArgumentParser(
        prog="jic-opt",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flag = {"action": "store_true"}
    add = parser.add_argument
    add("input", nargs="?", default="-", help="input file; standard input by default")
    add("-o", dest="output", default="-", metavar="FILE", help="output file; standard output by default")
    add("--version", action="version", version=_version())
    add("--load", action="append", default=[], metavar="MODULE", help="import a module or FILE.py with passes or rules")

    group = parser.add_argument_group("passes")
    add = group.add_argument
    add("--pass-pipeline", metavar="TEXT", help='such as "builtin.module(jic-cse,canonicalize,func.func(cse))"')
    add("--dump-pass-pipeline", **flag, help="print the pipeline to standard error, then run it")
    add("--list-passes", **flag, help="list jic's passes with their options and exit")
    add("--verify-each", choices=("true", "false"), default="true", help="verify the IR after each pass")
    add("--mlir-timing", **flag, help="report the time of each pass on standard error")

    group = parser.add_argument_group("input")
    add = group.add_argument
    add("--split-input-file", **flag, help="treat the parts between '// -----' lines as inputs of their own")
    add("--verify-diagnostics", **flag, help="check diagnostics against expected-error {{…}} comments")
    add("--allow-unregistered-dialect", **flag, help="accept ops of unknown dialects")
    add("--no-implicit-module", **flag, help="do not wrap the input in a builtin.module")
    add("--show-dialects", **flag, help="list the dialects and exit")

    group = parser.add_argument_group("output")
    add = group.add_argument
    add("--emit-bytecode", **flag, help="write MLIR bytecode")
    add("--mlir-print-debuginfo", **flag, help="print locations")
    add("--mlir-pretty-debuginfo", **flag, help="print locations in a readable form that does not parse")
    add("--mlir-print-op-generic", **flag, help="print the generic form of every op")
    add("--mlir-print-local-scope", **flag, help="print without aliases")
    add("--mlir-elide-elementsattrs-if-larger", type=int, metavar="N", help="elide constants of more than N elements")
    add("--mlir-elide-resource-strings-if-larger", type=int, metavar="N", help="elide resources longer than N")
    for when in ("before", "after"):
        name = f"--mlir-print-ir-{when}"
        add(name, action="append", default=[], metavar="PASS", help=f"print the IR {when} these passes")
        add(f"{name}-all", **flag, help=f"print the IR {when} each pass")
    add("--mlir-print-ir-after-change", **flag, help="print the IR after a pass only if it changed")
    add("--debug", **flag, help="show the Python traceback of an internal error")
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return f"jic {of('jic')}, torch-mlir {of('torch-mlir')}"
