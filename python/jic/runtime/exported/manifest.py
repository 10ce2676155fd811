"""What `manifest.json` of an exported program says, as Python objects; and back. See docs/artifact.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jic.errors import ArtifactError

from .. import dispatch as d
from .forms import argument_form, argument_of, result_of
from .values import dtype

__all__ = ["FORMAT", "Constant", "Manifest", "Part", "ProgramEntry", "Signature", "Weight"]

FORMAT = 1
MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, RuntimeError)


class Weight(NamedTuple):
    """A tensor that a program reads besides its arguments.

    kind: `parameter`, `buffer` (neither without a module), or `constant`.
    same_as: the name of an earlier weight that is this very tensor, or "".
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    persistent: bool = True
    same_as: str = ""

    @property
    def spec(self) -> d.TensorSpec:
        return d.TensorSpec(dtype(self.dtype), self.shape, self.strides)


class Part(NamedTuple):
    """A module, or a submodule of it: its qualified name, its class's, and whether it is in training mode."""

    name: str
    class_name: str
    training: bool


class ProgramEntry(NamedTuple):
    """A program for a target: the folder of its entries.

    Attributes:
        level: what of the target: `host`, `x86-64-v3`, `sm_90a`, …
        features: the CPU features that the code may use, as `missing_features` reads them.
        aten: the ATen operators that it calls.
    """

    target: str
    level: str
    path: str
    code: str
    features: str = ""
    aten: tuple[str, ...] = ()


class Constant(NamedTuple):
    """A value of the state around the call that became a part of the program."""

    what: str
    value: str


class Signature(NamedTuple):
    """One kind of call. `result` is JSON (see `forms.result_of`); the others are as in `dispatch.Variant`.

    Attributes:
        weights: names of those among the tensors of the call, after the arguments'.
        training: module → the training flag that was read.
        parameters: names of the parameters that the positional arguments go to; fewer if some have none.
    """

    text: str
    location: str
    arguments: tuple[d.ArgumentSpec, ...]
    keywords: dict[str, d.ArgumentSpec]
    weights: tuple[str, ...]
    inputs: tuple[int, ...]
    result: Any
    geometry: dict[int, tuple[tuple[int, ...], tuple[int, ...]]]
    copies: tuple[tuple[int, int], ...]
    default_dtype: str
    training: dict[str, bool]
    parameters: tuple[str, ...] = ()
    constants: tuple[Constant, ...] = ()
    programs: tuple[ProgramEntry, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "location": self.location,
            "arguments": [argument_form(a) for a in self.arguments],
            "keywords": [[k, argument_form(a)] for k, a in self.keywords.items()],
            "parameters": list(self.parameters),
            "weights": list(self.weights),
            "inputs": list(self.inputs),
            "result": self.result,
            "geometry": [[i, list(size), list(strides)] for i, (size, strides) in self.geometry.items()],
            "copies": [list(pair) for pair in self.copies],
            "guards": [
                {"default_dtype": self.default_dtype},
                {"autocast": False},
                *({"training": {"module": name, "value": value}} for name, value in self.training.items()),
            ],
            "constants": [c._asdict() for c in self.constants],
            "programs": [{**p._asdict(), "aten": list(p.aten)} for p in self.programs],
        }

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Signature:
        default_dtype, training = "", {}
        for guard in form["guards"]:
            ((kind, content),) = guard.items()
            match kind:
                case "default_dtype":
                    default_dtype = str(dtype(content)).removeprefix("torch.")
                case "autocast" if content is False:
                    pass
                case "training":
                    training[str(content["module"])] = bool(content["value"])
                case _:
                    raise ValueError(f"an unknown guard {guard}")
        result_of(form["result"])
        return cls(
            text=str(form["text"]),
            location=str(form["location"]),
            arguments=tuple(argument_of(a) for a in form["arguments"]),
            keywords={str(k): argument_of(a) for k, a in form["keywords"]},
            weights=tuple(map(str, form["weights"])),
            inputs=_integers(form["inputs"]),
            result=form["result"],
            geometry={int(i): (_integers(size), _integers(strides)) for i, size, strides in form["geometry"]},
            copies=tuple((int(a), int(b)) for a, b in form["copies"]),
            default_dtype=default_dtype,
            training=training,
            parameters=tuple(map(str, form["parameters"])),
            constants=tuple(Constant(str(c["what"]), str(c["value"])) for c in form["constants"]),
            programs=tuple(
                ProgramEntry(**{**{k: str(v) for k, v in p.items()}, "aten": tuple(map(str, p["aten"]))})
                for p in form["programs"]
            ),
        )


@dataclass(frozen=True)
class Manifest:
    """All of it. `kind` is `module` or `function`; `name` is the class's or the function's."""

    jic: str
    torch: str
    kind: str
    name: str
    weights: tuple[Weight, ...] = ()
    parts: tuple[Part, ...] = ()
    signatures: tuple[Signature, ...] = ()
    by_name: dict[str, Weight] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {w.name: w for w in self.weights})

    def to_bytes(self) -> bytes:
        form = {
            "format": FORMAT,
            "jic": self.jic,
            "torch": self.torch,
            "kind": self.kind,
            "name": self.name,
            "weights": [_weight_form(w) for w in self.weights],
            "modules": [{"name": p.name, "class": p.class_name, "training": p.training} for p in self.parts],
            "signatures": [s.to_json() for s in self.signatures],
        }
        return json.dumps(form, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises `ArtifactError` for another format, and for what is no manifest."""
        try:
            form = json.loads(data)
            version = form["format"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ArtifactError(f"the manifest is none of jic's: {error}", hint="export it again") from error
        if version != FORMAT:
            raise ArtifactError(
                f"a file of format {version!r} (of jic {form.get('jic')}), expected format {FORMAT}",
                hint="export it again with this jic, or load it with that one",
            )
        try:
            made = cls(
                jic=str(form["jic"]),
                torch=str(form["torch"]),
                kind=str(form["kind"]),
                name=str(form["name"]),
                weights=tuple(map(_weight_of, form["weights"])),
                parts=tuple(Part(str(p["name"]), str(p["class"]), bool(p["training"])) for p in form["modules"]),
                signatures=tuple(map(Signature.from_json, form["signatures"])),
            )
            if made.kind not in ("function", "module") or not made.signatures:
                raise ValueError(f"a {made.kind} of {len(made.signatures)} signatures")
            return made
        except MALFORMED as error:
            raise ArtifactError(
                f"a malformed manifest: {type(error).__name__}: {error}", hint="export it again"
            ) from error


def _weight_form(weight: Weight) -> dict[str, Any]:
    form = {**weight._asdict(), "shape": list(weight.shape), "strides": list(weight.strides)}
    if not weight.same_as:
        del form["same_as"]
    return form


def _weight_of(form: Mapping[str, Any]) -> Weight:
    shape, strides = _integers(form["shape"]), _integers(form["strides"])
    if form["kind"] not in ("parameter", "buffer", "constant") or len(shape) != len(strides):
        raise ValueError(f"weight {form['name']} is malformed")
    if min((*shape, *strides), default=0) < 0:
        raise ValueError(f"weight {form['name']} has a negative size or stride")
    dtype(form["dtype"])
    name, same_as = str(form["name"]), str(form.get("same_as", ""))
    return Weight(name, form["kind"], form["dtype"], shape, strides, bool(form["persistent"]), same_as)


def _integers(numbers: Sequence[Any]) -> tuple[int, ...]:
    if not all(type(n) is int for n in numbers):
        raise TypeError("expected integers")
    return tuple(numbers)
