"""What an exported file holds, in words: the text of `jic inspect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

from .. import dispatch as d
from .manifest import Manifest, ProgramEntry, Signature, Weight
from .mismatch import show_tensor, show_value
from .model import ModelFile

__all__ = ["describe"]

_SHOWN = 12  # of what is many


def describe(file: ModelFile, verbose: bool = False) -> str:
    """The report; with `verbose` all kernels, constants and weights.

    Raises:
        ArtifactError: the file is damaged.
    """
    file.container.check()
    manifest = file.manifest
    lines = [
        f"{manifest.kind} {manifest.name}, exported by jic {manifest.jic} with torch {manifest.torch}",
        f"{_bytes(file.container.size)}, {len(file.container.entries)} entries, all checksums match",
    ]
    for number, signature in enumerate(manifest.signatures):
        lines += ["", f"signature {number}: {signature.text}{_at(signature.location)}"]
        lines += [f"  {line}" for line in _signature(file, signature, verbose)]
    lines += ["", *_weights(manifest, verbose)]
    return "\n".join(lines)


def _signature(file: ModelFile, signature: Signature, verbose: bool) -> Iterator[str]:
    names = dict(enumerate(signature.parameters))
    for i, argument in enumerate(signature.arguments):
        yield f"argument {names.get(i, i)}: {_argument(argument)}"
    for name, argument in signature.keywords.items():
        yield f"keyword argument {name}: {_argument(argument)}"
    yield f"result: {_result(file, signature, signature.result)}"
    for output, tensor in signature.copies:
        first = tensor - _tensor_count(signature)
        changed = signature.weights[first] if first >= 0 else f"tensor {tensor} of the call"
        yield f"changes {changed} in place (output {output})"
    yield f"only with default dtype {signature.default_dtype}, without autocast and gradients"
    modes = Counter(signature.training.values())
    for value, count in modes.items():
        yield f"only while {count} modules are in {'training' if value else 'evaluation'} mode"
    for program in signature.programs:
        yield from _program(file, program, verbose)
    if signature.constants:
        yield f"{len(signature.constants)} values of the state around the call are constants now:"
        shown = signature.constants if verbose else signature.constants[:_SHOWN]
        yield from (f"  {c.what} = {c.value}" for c in shown)
        yield from _rest(len(signature.constants) - len(shown))


def _program(file: ModelFile, program: ProgramEntry, verbose: bool) -> Iterator[str]:
    artifact = file.artifact(program)
    steps: list[dict[str, Any]] = artifact.manifest["steps"]
    launches = [s for s in steps if s["op"] == "launch"]
    level = f" {program.level}" if program.level else ""
    needs = f", for {program.features.split(' ')[0]}" if program.features else ""
    yield f"program for {program.target}{level}{needs}: {len(launches)} kernels, {_bytes(len(artifact.code))} of code"
    if program.aten:
        yield f"  calls ATen, so it needs torch: {', '.join(program.aten)}"
    else:
        yield "  calls no ATen operator"
    if verbose:
        for step in steps:
            if step["op"] in ("launch", "aten"):
                yield f"  {step.get('name') or step.get('callee')}{_at(step.get('location', ''))}"


def _weights(manifest: Manifest, verbose: bool) -> Iterator[str]:
    own = [w for w in manifest.weights if not w.same_as]
    total = sum(prod(w.shape) * w.spec.dtype.itemsize for w in own)
    kinds = ", ".join(f"{count} {kind}s" for kind, count in Counter(w.kind for w in manifest.weights).items())
    yield f"weights: {_bytes(total)} in {len(own)} tensors{f' ({kinds})' if kinds else ''}"
    shown = manifest.weights if verbose else manifest.weights[:_SHOWN]
    yield from (f"  {w.kind} {w.name}: {_weight(w)}" for w in shown)
    yield from _rest(len(manifest.weights) - len(shown))


def _weight(weight: Weight) -> str:
    return f"the same as {weight.same_as}" if weight.same_as else show_tensor(weight.spec)


def _rest(count: int) -> Iterator[str]:
    if count > 0:
        yield f"  … and {count} more (--verbose shows all)"


def _argument(spec: d.ArgumentSpec) -> str:
    match spec:
        case d.TensorSpec():
            return show_tensor(spec)
        case d.NumberSpec():
            return f"any {spec.type.__name__}"
        case d.Value():
            return f"always {show_value(spec.value)}"
        case d.SequenceSpec():
            return f"{spec.type.__name__} of ({', '.join(map(_argument, spec.items))})"
        case d.MappingSpec():
            return "{" + ", ".join(f"{k!r}: {_argument(i)}" for k, i in spec.items) + "}"
    return "?"


def _tensor_count(signature: Signature) -> int:
    def count(spec: Any) -> int:
        match spec:
            case d.TensorSpec() | d.NumberSpec():
                return 1
            case d.SequenceSpec():
                return sum(map(count, spec.items))
            case d.MappingSpec():
                return sum(count(i) for _, i in spec.items)
        return 0

    return sum(map(count, (*signature.arguments, *signature.keywords.values())))


def _result(file: ModelFile, signature: Signature, form: Any) -> str:
    outputs = file.artifact(signature.programs[0]).manifest["outputs"]
    arguments = _tensor_count(signature)

    def show(form: Any) -> str:
        kind = next(iter(form))
        content = form[kind]
        match kind:
            case "output":
                size = signature.geometry.get(content, (outputs[content]["shape"], ()))[0]
                return f"{outputs[content]['dtype']}{list(size)}"
            case "tensor":
                return (
                    f"tensor {content} of the call" if content < arguments else signature.weights[content - arguments]
                )
            case "view":
                return f"a view {form['size']} of {show(content)}"
            case "number":
                return f"the number in {show(content)}"
            case "empty":
                return f"{content['dtype']}{content['shape']}"
            case "choice":
                return "one of " + " or ".join(map(show, form["items"]))
            case "once":
                return show(form["item"])
            case "container":
                return f"container {content} of the call"
            case "constant":
                return repr(content)
            case "dict" | "ordered_dict":
                return "{" + ", ".join(f"{k!r}: {show(i)}" for k, i in content) + "}"
            case "return_type":
                return f"{content}({', '.join(map(show, form['items']))})"
        return f"{kind if kind != 'tuple' else ''}({', '.join(map(show, content))})"

    return show(form)


def _bytes(size: int) -> str:
    for unit, of in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= of:
            return f"{size / of:.1f} {unit}"
    return f"{size} bytes"


def _at(location: str) -> str:
    return f"  at {location}" if location else ""
