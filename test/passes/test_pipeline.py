"""Pipelines as text: parsing, printing, running, and what they report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from torch_mlir import ir

from jic import dialects
from jic.errors import LoweringError, PassError, PipelineError
from jic.passes import registry
from jic.passes.base import Pass
from jic.passes.instrumentation import Timing
from jic.passes.pipeline import Pipeline

SOURCE = """
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "jic.exp"(%a) : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
"""


@registry.register
@dataclass(frozen=True)
class Every(Pass):
    """Has an option of every type."""

    name = "test-every-option"
    max_size: int = 3
    rate: float = 1e-5
    on: bool = False
    text: str = "two words"
    kind: Literal["first", "second"] = "first"
    dims: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    limit: int | None = None

    def apply(self, module: ir.Operation) -> None:
        if self.on:
            raise LoweringError("as asked")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_size": -8, "rate": float("inf"), "on": True},
        {"text": 'a "quoted" \\ {brace', "kind": "second"},
        {"text": "", "names": ("a b", "c,d", "plain")},
        {"dims": (0, 1, 2), "limit": 0},
    ],
)
def test_printing_parses_to_the_same(options: dict) -> None:
    pipeline = Pipeline((Every(**options),))
    assert Pipeline.parse(str(pipeline)) == pipeline


@pytest.mark.parametrize(
    "text",
    [
        "builtin.module()",
        "builtin.module(cse,func.func(canonicalize{max-iterations=2 top-down=false},cse),jic-cse)",
        "builtin.module(func.func(any(cse)))",
        "builtin.module(one-shot-bufferize{bufferize-function-boundaries=1})",
    ],
)
def test_canonical_text_prints_as_it_is(text: str) -> None:
    assert str(Pipeline.parse(text)) == text


def test_the_module_around_the_passes_may_be_left_out() -> None:
    assert Pipeline.parse(" cse , jic-cse ") == Pipeline.parse("builtin.module(cse,jic-cse)")
    assert Pipeline.parse("") == Pipeline()


@pytest.mark.parametrize(
    ("text", "location", "message"),
    [
        ("jic-cs", "1:1", "unknown pass 'jic-cs'"),
        ("cse,\n canonicalise", "2:2", "unknown pass 'canonicalise'"),
        ("test-every-option{max-size=x}", "1:19", "expected an integer, got 'x'"),
        ("test-every-option{on=perhaps}", "1:19", "expected true or false"),
        ("test-every-option{kind=third}", "1:19", "expected one of first, second"),
        ("test-every-option{on on}", "1:22", "given twice"),
        ("test-every-option{max-size}", "1:19", "got no value"),
        ("test-every-option{size=1}", "1:19", "has no option 'size'"),
        ("test-every-option{", "1:18", "unclosed '{'"),
        ("cse{a=1}", "1:1", "bad options of pass 'cse'"),
        ("func.func(jic-cse)", "1:11", "cannot be nested"),
        ("builtin.module(cse", "1:15", "unclosed '('"),
        ("cse)", "1:4", "unexpected ')'"),
        (",cse", "1:1", "expected a pass name"),
    ],
)
def test_errors_say_where_and_what(text: str, location: str, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Pipeline.parse(text, "p")
    assert caught.value.location == f"p:{location}"
    assert message in caught.value.message


def test_near_misses_are_suggested() -> None:
    with pytest.raises(PipelineError) as caught:
        Pipeline.parse("jic-cs")
    assert caught.value.hint == "did you mean 'jic-cse'?"


def test_run_times_each_pass() -> None:
    module = ir.Module.parse(SOURCE, dialects.context())
    timing = Timing()
    Pipeline.parse("test-every-option,func.func(cse,canonicalize)").run(module, instrumentation=[timing])
    assert [name for name, _ in timing.passes] == ["test-every-option", "cse", "canonicalize"]
    assert str(module).count("jic.exp") == 1
    assert "Total" in timing.report()


def test_other_errors_keep_their_class_and_name_the_pass() -> None:
    module = ir.Module.parse(SOURCE, dialects.context())
    with pytest.raises(LoweringError) as caught:
        Pipeline.parse("test-every-option{on}").run(module)
    assert caught.value.__notes__ == ["in pass 'test-every-option'"]


def test_pipelines_run_on_modules_only() -> None:
    module = ir.Module.parse(SOURCE, dialects.context())
    with pytest.raises(PassError, match=r"run on builtin\.module, got func\.func"):
        Pipeline().run(module.body.operations[0])


def test_register_refuses_what_is_no_pass() -> None:
    @dataclass(frozen=True)
    class Unnamed(Pass):
        def apply(self, module: ir.Operation) -> None: ...

    @dataclass(frozen=True)
    class Needy(Pass):
        name = "test-needy"
        option: int

        def apply(self, module: ir.Operation) -> None: ...

    @dataclass(frozen=True)
    class Taken(Pass):
        name = "jic-cse"

        def apply(self, module: ir.Operation) -> None: ...

    for cls, message in (
        (Unnamed, "has the name None"),
        (Needy, "default for every option"),
        (Taken, "is taken"),
        (int, "not a pass"),
    ):
        with pytest.raises(PassError, match=message):
            registry.register(cls)


def test_every_listed_pass_loads_and_describes_itself() -> None:
    for name in registry.names():
        cls = registry.lookup(name)
        assert cls.name == name
        assert cls.summary().endswith("."), f"{name}: the docstring's first line is a sentence"
