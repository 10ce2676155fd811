"""Two copies of one program, one called eagerly and one compiled, whose state is edited alike between calls.

A program is Python source, imported twice as two packages, so that no state is shared but the process's own. `PKG` in
the source stands for the package's name.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from checking import assert_like
from torch.utils._pytree import tree_leaves

import jic
from jic.api.compiled import CompiledFunction, Entry
from jic.api.module import CompiledModule

_NUMBER = itertools.count()


@dataclass(frozen=True)
class Quiet:
    """An edit after which nothing is compiled anew: it changes nothing that is read, or restores what was known."""

    text: str


Edit = str | Quiet | Callable[[], object]  # source for both copies, or a change of what both share


class Program:
    """One copy: a package with the module `main` and maybe others, and `target`, what is called."""

    def __init__(self, directory: Path, name: str, sources: dict[str, str], target: str) -> None:
        self.name, self._directory, self._edits = name, directory / name, itertools.count()
        self._directory.mkdir()
        for module, source in {"__init__": "", **sources}.items():
            text = textwrap.dedent(source).replace("PKG", name)
            (self._directory / f"{module}.py").write_text(text)
        init = self._directory / "__init__.py"
        spec = importlib.util.spec_from_file_location(name, init, submodule_search_locations=[str(self._directory)])
        assert spec is not None and spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
        importlib.invalidate_caches()
        torch.manual_seed(0)
        self.module = importlib.import_module(f"{name}.main")
        self.target = self.evaluate(target)

    def evaluate(self, expression: str) -> Any:
        return eval(expression, vars(self.module))

    def edit(self, text: str) -> None:
        """Run `text` in the namespace of `main`. Functions that it defines have source."""
        text = textwrap.dedent(text).replace("PKG", self.name)
        path = self._directory / f"edit{next(self._edits)}.py"
        path.write_text(text)
        torch.manual_seed(1)
        exec(compile(text, str(path), "exec"), vars(self.module))

    def unload(self) -> None:
        for name in [n for n in sys.modules if n == self.name or n.startswith(self.name + ".")]:
            del sys.modules[name]


@dataclass(frozen=True)
class Outcome:
    """What a call gave: a value, or an exception."""

    value: Any
    error: BaseException | None

    @staticmethod
    def of(function: Callable[..., Any], *args: Any) -> Outcome:
        try:
            return Outcome(function(*args), None)
        except Exception as error:
            return Outcome(None, error)

    def __str__(self) -> str:
        return f"{self.value!r}" if self.error is None else f"{type(self.error).__name__}: {self.error}"


class Twins:
    """Both copies of a program, and the compiled function."""

    def __init__(
        self,
        directory: Path,
        source: str | dict[str, str],
        target: str = "f",
        state: str = "",
        limit: int = 64,
        cache: Path | None = None,
    ) -> None:
        sources = {"main": source} if isinstance(source, str) else source
        number = next(_NUMBER)
        self.eager = Program(directory, f"twin{number}_eager", sources, target)
        # A name of the same length, since `repr` of an object shows it.
        self.compiled = Program(directory, f"twin{number}_built", sources, target)
        self.config = jic.JitConfig(
            enable_caching=cache is not None, cache_dir=None if cache is None else str(cache), recompile_limit=limit
        )
        self.renew()
        self.state = state
        self.warnings: list[str] = []
        self.compiled_calls = 0

    def renew(self) -> None:
        """Forget what is compiled."""
        self.function = jic.compile(self.compiled.target, config=self.config)

    @property
    def _dispatcher(self) -> CompiledFunction:
        function = self.function
        return function.compiled if isinstance(function, CompiledModule) else function

    @property
    def entries(self) -> list[Entry]:
        return self._dispatcher.entries

    def _compiled_hits(self) -> int:
        """How many calls compiled variants have answered."""
        return sum(hits for entry, hits in self._dispatcher.variants if not entry.eager)

    @property
    def reasons(self) -> list[str]:
        """Why calls run eagerly."""
        return [reason.why for entry in self.entries if entry.eager for reason in entry.reasons]

    def edit(self, edit: Edit) -> None:
        if isinstance(edit, Quiet | str):
            text = edit.text if isinstance(edit, Quiet) else edit
            self.eager.edit(text)
            self.compiled.edit(text)
        else:
            edit()

    def call(self, *args: Any) -> tuple[Outcome, Outcome]:
        """Eager's outcome and the compiled one's, for copies of the same arguments."""
        random = torch.get_rng_state()
        expected = Outcome.of(self.eager.target, *map(_copy, args))
        after = torch.get_rng_state()
        torch.set_rng_state(random)
        known, hits = len(self.entries), self._compiled_hits()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = Outcome.of(self.function, *map(_copy, args))
        torch.set_rng_state(after)
        self.warnings += [str(w.message) for w in caught if str(w.message).startswith("jic ")]
        fresh = self.entries[known:]
        self.compiled_calls += self._compiled_hits() > hits or bool(fresh) and not any(entry.eager for entry in fresh)
        return expected, found

    def compare(self, *args: Any) -> Outcome:
        """Call both. Returns eager's outcome.

        Raises:
            AssertionError: the outcomes differ, or the `state` after the call.
        """
        expected, found = self.call(*args)
        if expected.error is not None or found.error is not None:
            assert kind_of(expected.error) == kind_of(found.error), f"eager gave {expected}, compiled {found}"
        else:
            # Of float32 arguments and float64 state comes float64 with float32's rounding.
            singles = any(isinstance(a, torch.Tensor) and a.dtype is torch.float32 for a in args)
            double = any(t.dtype is torch.float64 for t in tree_leaves(expected.value) if isinstance(t, torch.Tensor))
            assert_like(found.value, expected.value, factor=4e6 if singles and double else 4.0)
        if self.state:
            assert_like(self.compiled.evaluate(self.state), self.eager.evaluate(self.state))
        return expected

    def unload(self) -> None:
        self.eager.unload()
        self.compiled.unload()


def check_edits(
    twins: Twins, edits: tuple[Edit, ...], inputs: Callable[[], tuple[Any, ...]], eager: bool = False
) -> None:
    """Call, and after each edit call twice more, with fresh inputs; all as eager does.

    Args:
        eager: calls may run eagerly, with a warning. Otherwise every call that gives a value is to run compiled.

    Raises:
        AssertionError: an outcome differs, a quiet edit had something compiled, or a call ran eagerly.
    """
    for edit in (None, *edits):
        if edit is not None:
            twins.edit(edit)
        known = len(twins.entries)
        for _ in range(2):
            before = twins.compiled_calls
            try:
                expected = twins.compare(*inputs())
            except AssertionError as error:
                raise AssertionError(f"after {_text(edit)}: {error}") from error
            if not eager and expected.error is None:
                assert twins.compiled_calls > before, f"after {_text(edit)} it runs eagerly: {twins.reasons}"
        if isinstance(edit, Quiet):
            assert len(twins.entries) == known, f"compiled anew after {_text(edit)}"
    assert not twins.reasons or twins.warnings, "runs eagerly without a warning"


def _text(edit: Edit | None) -> str:
    if edit is None:
        return "the import"
    text = edit.text if isinstance(edit, Quiet) else edit if isinstance(edit, str) else edit.__name__
    return repr(textwrap.dedent(text).strip())


def kind_of(error: BaseException | None) -> str:
    return "no exception" if error is None else type(error).__qualname__


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


Check = Callable[..., Twins]  # the fixture of test/api/stale: a program's source and its edits
