"""What cannot be compiled gives eager's result, output and errors, and says which line it was and what to do."""

from __future__ import annotations

import asyncio
import copy
import inspect
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checking import assert_like
from torch.utils import _pytree as pytree
from uncompilable import ANY, CASES, EAGER, NOTE, Case, effects

import jic

UNCACHED = jic.JitConfig(enable_caching=False)
# A reason says what to do: one of these words is in it.
ADVICE = (
    "use ",
    "write",
    "move",
    "keep",
    "assign",
    "return",
    "call ",
    "pass ",
    "instead",
    "jic.",
    "outside",
    "torch.",
    "give ",
)


def outcome(function: Callable[..., Any], args: tuple[Any, ...], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Everything that a call does: result or error, output, and changes of arguments and of the world outside."""
    effects.LOG.clear()
    effects.TOTAL = -1
    capsys.readouterr()
    found: dict[str, Any] = {}
    try:
        found["result"] = function(*args)
    except Exception as error:
        found["error"] = error
    found |= {"arguments": args, "log": list(effects.LOG), "total": effects.TOTAL}
    found |= {"printed": capsys.readouterr().out, "random": random.random(), "torch random": torch.rand(3)}
    return found


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    if "error" in expected:
        assert type(found.get("error")) is type(expected["error"]), (found, expected["error"])
        assert str(found["error"]) == str(expected["error"])
    elif "error" in found:
        raise found["error"]
    ours, eager = ({k: v for k, v in o.items() if k != "error"} for o in (found, expected))
    assert ours["printed"] == eager["printed"]
    assert_like(ours, eager, factor=8)
    for a, e in zip(pytree.tree_leaves(ours), pytree.tree_leaves(eager), strict=True):
        assert type(a) is type(e)


def marked_line(function: Any) -> str:
    """`file:line` of the comment `# here`."""
    lines, first = inspect.getsourcelines(function)
    number = next(n for n, line in enumerate(lines, first) if "# here" in line)
    return f"{Path(inspect.getfile(function)).name}:{number}"


def assert_explained(case: Case, explanation: jic.Explanation) -> None:
    """`explanation` says what the case expects (see `uncompilable`), at the marked line, with advice."""
    if case.how == ANY:
        return
    assert explanation.eager or case.how != EAGER, f"expected to run eagerly:\n{explanation}"
    assert not explanation.eager or case.how != NOTE, f"expected to be compiled with a note:\n{explanation}"
    line = marked_line(case.function)
    reasons = [*explanation.fallbacks, *explanation.notes]
    file, _, number = line.partition(":")
    # a note on a loop names the loop's line, and its location is the statement inside
    here = [r for r in reasons if r.location.endswith(line) or r.op.endswith(f" {number}") and file in r.location]
    assert here, f"no reason names {line}:\n{explanation}"
    assert any(word in r.why for r in here for word in ADVICE), f"no advice:\n{explanation}"


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    torch.random.manual_seed(0)
    random.seed(0)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.function.__name__)
def test_case(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    compiled = jic.compile(case.function, config=UNCACHED)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for make in case.inputs:
            args = make()
            for _ in range(2):
                torch.random.manual_seed(7)
                random.seed(7)
                expected = outcome(case.function, copy.deepcopy(args), capsys)
                torch.random.manual_seed(7)
                random.seed(7)
                assert_same(outcome(compiled, copy.deepcopy(args), capsys), expected)
        if "error" not in expected:
            assert_explained(case, jic.explain(compiled)(*case.inputs[-1]()))


@pytest.mark.parametrize("case", [c for c in CASES if c.how == EAGER], ids=lambda c: c.function.__name__)
def test_a_warning_names_the_line(case: Case) -> None:
    compiled = jic.compile(case.function, config=UNCACHED)
    with torch.no_grad(), pytest.warns(UserWarning) as caught:
        compiled(*case.inputs[0]())
    assert any(marked_line(case.function) in str(w.message) for w in caught), [str(w.message) for w in caught]


@pytest.mark.parametrize("case", [c for c in CASES if c.how == EAGER], ids=lambda c: c.function.__name__)
def test_strict_refuses(case: Case) -> None:
    with torch.no_grad(), pytest.raises(jic.errors.FallbackError, match=marked_line(case.function)):
        jic.compile(case.function, strict=True, config=UNCACHED)(*case.inputs[0]())


WITHOUT_SOURCE = """
def f(x, n):
    total = x * 0
    for i in range(n):
        if total.sum() > 5:
            break
        total = total + x * i
    return total
"""


def test_source_is_not_available() -> None:
    """Functions made by `exec` run eagerly where their control flow depends on data."""
    space: dict[str, Any] = {"torch": torch}
    exec(WITHOUT_SOURCE, space)
    f = space["f"]
    compiled = jic.compile(f, config=UNCACHED)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for n in (0, 1, 9):
            for _ in range(2):
                assert_like(compiled(torch.ones(3), n), f(torch.ones(3), n))
        assert "source" in str(jic.explain(compiled)(torch.ones(3), 9))


def test_lambda_of_eval() -> None:
    f = eval("lambda x: (x + 1 if x.sum() > 0 else x - 1)")
    g = eval("lambda x: sum(row for row in x)")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for function in (f, g):
            compiled = jic.compile(function, config=UNCACHED)
            for x in (torch.ones(3, 2), -torch.ones(3, 2)):
                assert_like(compiled(x), function(x))


def test_lambda_with_source() -> None:
    """Two on a line: each must find its own source."""
    f, g = (lambda x: x + 1 if x.sum() > 0 else x - 1), (lambda x: x * 2 if x.sum() > 0 else x * 3)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for function in (f, g):
            compiled = jic.compile(function, config=UNCACHED)
            for x in (torch.ones(3), -torch.ones(3)):
                assert_like(compiled(x), function(x))


def test_source_that_changed_on_disk(tmp_path: Path) -> None:
    """The file no longer says what the function does: the code object counts."""
    import importlib.util

    path = tmp_path / "changes.py"
    path.write_text("def f(x):\n    for row in x:\n        x = x + row\n    return x\n")
    spec = importlib.util.spec_from_file_location("changes", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path.write_text("def f(x):\n    for row in x:\n        x = x - row\n    return x\n")
    x = torch.ones(3, 3)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert_like(jic.compile(module.f, config=UNCACHED)(x), module.f(x))


def test_async_functions_and_generators() -> None:
    async def later(x: torch.Tensor) -> torch.Tensor:
        for row in x:
            x = x + row
        return x

    def steps(x: torch.Tensor) -> Any:
        for row in x:
            yield row * 2

    x = torch.ones(3, 3)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(2):
            assert_like(asyncio.run(jic.compile(later, config=UNCACHED)(x)), asyncio.run(later(x)))
            assert_like(list(jic.compile(steps, config=UNCACHED)(x)), list(steps(x)))


def test_callables_that_are_not_functions() -> None:
    class Step:
        def __init__(self) -> None:
            self.scale = 2.0

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            for row in x:
                x = x + row * self.scale
            return x

        def method(self, x: torch.Tensor) -> torch.Tensor:
            while x.sum() < 10:
                x = x * self.scale
            return x

    step, x = Step(), torch.ones(3, 3)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for function in (step, step.method):
            compiled = jic.compile(function, config=UNCACHED)
            for scale in (2.0, 3.0):  # the change must be seen
                step.scale = scale
                assert_like(compiled(x), function(x))


def test_global_and_closure_changes_are_seen() -> None:
    steps, scale = 3, torch.ones(3)

    def f(x: torch.Tensor) -> torch.Tensor:
        for _ in range(steps):
            x = torch.tanh(x) + scale
        return x

    compiled = jic.compile(f, config=UNCACHED)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for number in (3, 0, 7, 3):
            steps, scale = number, scale * 2
            assert_like(compiled(torch.ones(3)), f(torch.ones(3)))
