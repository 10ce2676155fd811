"""What a manifest says is what was meant: values, calls, results, weights, there and back through JSON."""

from __future__ import annotations

import collections
import json
import math
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jic.runtime import dispatch as d
from jic.runtime.exported.forms import argument_form, argument_of, result_form, result_of
from jic.runtime.exported.tensors import read_tensors, tensors_entry
from jic.runtime.exported.values import decode, encode

PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary(),
    st.sampled_from([torch.float32, torch.bfloat16, torch.device("cpu"), torch.strided, torch.channels_last, Ellipsis]),
    st.builds(slice, st.none() | st.integers(), st.none() | st.integers()), st.builds(range, st.integers(-9, 9)),
    st.builds(torch.Size, st.lists(st.integers(0, 9), max_size=3)),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.dictionaries(st.text(), inner),
        st.dictionaries(st.integers(), inner).map(collections.OrderedDict),
    ),
    max_leaves=8,
)  # fmt: skip


def through_json(form: Any) -> Any:
    return json.loads(json.dumps(form, allow_nan=False))


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_values(value: Any) -> None:
    found = decode(through_json(encode(value)))
    assert type(found) is type(value) and repr(found) == repr(value)  # repr tells -0.0 and NaN


@pytest.mark.parametrize("value", [object(), {1, 2}, torch.zeros(1), collections.defaultdict(list), len])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="has no form in JSON"):
        encode(value)


TENSOR = d.TensorSpec(torch.float16, (2, 1, 3), (3, 7, 1))
ARGUMENTS = [
    TENSOR,
    d.NumberSpec(int, 1 << 53),
    d.NumberSpec(float),
    d.Value(math.inf),
    d.Value((1, "a")),
    d.SequenceSpec(list, (TENSOR, d.SequenceSpec(tuple, (d.Value(None),)))),
    d.MappingSpec((("a", TENSOR), (3, d.Value(True)))),
]
RESULTS = [
    d.Output(3),
    d.View(d.WholeTensor(1), (2, 2), (0, 1), 5),
    d.Number(d.Output(0)),
    d.Empty(torch.int8, (0, 4), (4, 1)),
    d.Once(2, d.Output(1)),
    d.Choice(0, (d.WholeTensor(0), d.Output(1))),
    d.Container(1),
    d.Constant(-0.0),
    d.SequenceResult(tuple, (d.Output(0), d.SequenceResult(list, ()))),
    d.SequenceResult(torch.Size, (d.Constant(3),)),
    d.MappingResult((("a", d.Output(0)), (1, d.Output(1)))),
    d.MappingResult((("a", d.Output(0)),), collections.OrderedDict),
]


@pytest.mark.parametrize("spec", ARGUMENTS)
def test_arguments(spec: d.ArgumentSpec) -> None:
    assert argument_of(through_json(argument_form(spec))) == spec


@pytest.mark.parametrize("spec", RESULTS)
def test_results(spec: d.ResultSpec) -> None:
    found = result_of(through_json(result_form(spec, lambda k: k)))
    assert type(found) is type(spec) and repr(found) == repr(spec)


def test_tensors_of_a_call_are_renumbered() -> None:
    spec = d.SequenceResult(tuple, (d.WholeTensor(4), d.View(d.WholeTensor(2), (1,), (1,)), d.Output(4)))
    form = result_form(spec, lambda k: k * 10)
    assert form["tuple"][0] == {"tensor": 40} and form["tuple"][1]["view"] == {"tensor": 20}
    assert form["tuple"][2] == {"output": 4}


@pytest.mark.parametrize(
    "form", [{}, {"tensor": {}}, {"value": {"dtype": "nn"}}, {"set": []}, {"number": "bool", "limit": 1}]
)
def test_malformed_arguments(form: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        argument_of(form)


DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16),
    *(torch.float32, torch.float64, torch.complex64, torch.uint16, torch.uint32, torch.uint64),
]


def test_safetensors_that_others_read() -> None:
    tensors = {str(dtype): (torch.randn(3, n + 1) * 9).to(dtype) for n, dtype in enumerate(DTYPES)}
    tensors |= {"empty": torch.empty(2, 0), "number": torch.tensor(2.5), "large": torch.randn(16, 16)}
    data = bytearray(b"".join(tensors_entry(tensors)))
    for found in (read_tensors(memoryview(data)), safetensors.torch.load(bytes(data))):
        assert found.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
    large = read_tensors(memoryview(data))["large"]
    first = torch.frombuffer(data, dtype=torch.uint8).data_ptr()
    assert (large.data_ptr() - first) % 64 == 0 and large.untyped_storage().nbytes() == large.nbytes


def test_safetensors_that_others_wrote() -> None:
    tensors = {"b": torch.randn(5, 3), "a": torch.arange(7)}
    found = read_tensors(memoryview(bytearray(safetensors.torch.save(tensors, {"who": "them"}))))
    assert found.keys() == tensors.keys() and all(torch.equal(found[n], t) for n, t in tensors.items())


def test_malformed_safetensors() -> None:
    good = b"".join(tensors_entry({"a": torch.arange(7)}))
    for bad in (b"", good[:9], good[:-1], b"\xff" * 100, good.replace(b"[0,56]", b"[8,56]")):
        with pytest.raises((ValueError, KeyError, TypeError)):
            read_tensors(memoryview(bytearray(bad)))
