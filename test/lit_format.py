"""A lit test format that runs `jic-opt` and `filecheck` without starting Python for each of them.

A RUN line that is a plain pipeline of these two runs each command in a fork of the lit worker, which imported them once: about
20 ms instead of 700. A crash ends only the fork. Any other RUN line goes through lit's own shell, where both commands
are subprocesses; `lit -Dsubprocess=1 test` does that with every test.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import lit.formats
import lit.Test
import lit.TestRunner

_DEBUG_PREFIX = re.compile(r"%dbg\([^)]*\)\s*")


def _jic_opt(arguments: list[str]) -> int:
    from jic.tools.opt import main

    return main(arguments)


def _filecheck(arguments: list[str]) -> int:
    from filecheck.main import main

    main(["filecheck", *arguments])
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {"jic-opt": _jic_opt, "filecheck": _filecheck}
MODULES = {"jic-opt": "jic.tools.opt", "filecheck": "filecheck"}


@dataclass
class Command:
    """One command of a pipeline."""

    words: list[str]
    negated: bool
    """`not` stands before it: it must fail, but not crash."""
    merged: bool
    """`2>&1` stands after it."""


def plain_pipeline(line: str) -> list[Command] | None:
    """The commands of a RUN line, or None if it takes a shell to run it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;<>&()")
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        return None
    commands: list[Command] = []
    words: list[str] = []
    merged = False
    for token in [*tokens, "|"]:
        if token == "|":
            negated = words[:1] == ["not"]
            words = words[negated:]
            if not words or words[0] not in COMMANDS:
                return None
            commands.append(Command(words, negated, merged))
            words, merged = [], False
        elif token == ">&" or re.fullmatch(r"[;<>&()|]+", token):
            # `2>&1` comes as the tokens 2, >&, 1.
            if token != ">&" or words[-1:] != ["2"]:
                return None
            words.pop()
            merged = True
        elif merged:
            if token != "1":
                return None
        else:
            words.append(token)
    return commands


def run_forked(command: Command, given: bytes) -> tuple[int, bytes, bytes]:
    """Exit status (negative: the signal that ended it), standard output and standard error."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source.write(given)
        source.seek(0)
        child = os.fork()
        if not child:
            _child(command, source.fileno(), out.fileno(), (out if command.merged else err).fileno())
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return os.waitstatus_to_exitcode(status), out.read(), err.read()


def _child(command: Command, source: int, out: int, err: int) -> None:
    """Become the command. Never returns."""
    status = 1
    try:
        for number, descriptor in enumerate((source, out, err)):
            os.dup2(descriptor, number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        try:
            status = COMMANDS[command.words[0]](command.words[1:])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


class JicTest(lit.formats.ShTest):
    """`ShTest` that runs plain pipelines of jic-opt and filecheck in forks."""

    def __init__(self) -> None:
        words = [(rf"(?<![\w/.-]){name}(?![\w/.-])", f"{sys.executable} -m {MODULES[name]}") for name in COMMANDS]
        super().__init__(extra_substitutions=words)

    def execute(self, test, litConfig):
        lines = self._lines(test, litConfig)
        pipelines = [plain_pipeline(line) for line in lines] if lines else [None]
        if None in pipelines:
            return super().execute(test, litConfig)
        import jic.tools.opt  # noqa: F401  (before the first fork)

        log: list[str] = []
        for line, pipeline in zip(lines, pipelines, strict=True):
            log.append(f"$ {line}")
            if not self._run(pipeline or [], log):
                return lit.Test.Result(lit.Test.FAIL, "\n".join(log))
        return lit.Test.Result(lit.Test.PASS, "\n".join(log))

    def _lines(self, test, litConfig) -> list[str]:
        """The RUN lines with lit's substitutions, or nothing if lit must see the test itself."""
        if test.config.unsupported or litConfig.noExecute or litConfig.params.get("subprocess"):
            return []
        script = lit.TestRunner.parseIntegratedTestScript(test)
        if isinstance(script, lit.Test.Result):
            return []
        directory, base = lit.TestRunner.getTempPaths(test)
        os.makedirs(os.path.dirname(base), exist_ok=True)
        substitutions = lit.TestRunner.getDefaultSubstitutions(test, directory, base)
        conditions = {feature: True for feature in test.config.available_features}
        return [_DEBUG_PREFIX.sub("", s) for s in lit.TestRunner.applySubstitutions(script, substitutions, conditions)]

    def _run(self, pipeline: list[Command], log: list[str]) -> bool:
        """Every command must succeed (`not`: fail), as with the shell's pipefail."""
        data, good = b"", True
        for command in pipeline:
            status, data, err = run_forked(command, data)
            if err:
                log.append(err.decode(errors="replace"))
            if status < 0:
                log.append(f"{command.words[0]} crashed: {signal.Signals(-status).name}")
                return False
            if (status != 0) != command.negated:
                log.append(f"{command.words[0]} exited with {status}")
                good = False
        if data:
            log.append(data.decode(errors="replace"))
        return good
