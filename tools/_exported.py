"""The commands of `jic` for exported files: `export`, `inspect`, and `run` of a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from jic.errors import ConfigError

from ._inputs import parse

_TENSOR_FILES = (".npz", ".safetensors")


def export(
    options: argparse.Namespace, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], config: Any
) -> int:
    """Write the file for a call of `fn`, and for those that `--also` names."""
    from jic import api

    further = [parse(text.split()) for text in options.also]
    path = api.export(
        fn,
        *args,
        path=options.output,
        targets=options.to or ("cpu",),
        keywords=kwargs,
        signatures=further,
        numbers=options.numbers,
        torch_free=options.torch_free,
        config=config,
    )
    print(f"{path}  {path.stat().st_size / 2**10:.0f} KiB")
    return 0


def inspect(options: argparse.Namespace) -> int:
    from jic.runtime.exported import ModelFile
    from jic.runtime.exported.describe import describe

    print(describe(ModelFile(options.file), options.verbose))
    return 0


def run(options: argparse.Namespace) -> int:
    """Run an exported file on the inputs, and print its results or write them."""
    import jic

    loaded = jic.load(options.target)
    torch.manual_seed(options.seed)
    args, kwargs = _arguments(options.input)
    with torch.no_grad():
        result = loaded(*args, **kwargs)
    leaves = {_name(path): leaf for path, leaf in pytree.tree_flatten_with_path(result)[0]}
    if options.output:
        _write(Path(options.output), leaves)
        return 0
    for name, leaf in leaves.items():
        if isinstance(leaf, torch.Tensor):
            print(f"{name or 'result'}  {str(leaf.dtype).removeprefix('torch.')}{list(leaf.shape)}\n{leaf}")
        else:
            print(f"{name or 'result'}  {leaf!r}")
    return 0


def _arguments(specs: list[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments. A file of tensors gives positional ones if they are `arr_0`, `arr_1`, …, else by name."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for spec in specs:
        if not spec.endswith(_TENSOR_FILES):
            given, named = parse([spec])
            args += given
            kwargs |= named
            continue
        tensors = _read(Path(spec))
        numbered = [f"arr_{i}" for i in range(len(tensors))]
        if tensors.keys() == set(numbered):
            args += [tensors[name] for name in numbered]
        else:
            kwargs |= tensors
    return tuple(args), kwargs


def _read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.npz` or `.safetensors` file.

    Raises:
        ConfigError: it cannot be read as one.
    """
    from jic.runtime.exported.tensors import read_tensors

    try:
        if path.suffix == ".safetensors":
            return read_tensors(memoryview(bytearray(path.read_bytes())))
        import numpy

        with numpy.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name].copy()) for name in arrays.files}
    except Exception as error:
        raise ConfigError(f"cannot read the inputs {path}: {error}") from error


def _write(path: Path, leaves: dict[str, Any]) -> None:
    from jic.runtime.exported.tensors import tensors_entry

    if path.suffix not in _TENSOR_FILES:
        raise ConfigError(f"cannot write {path}, expected a name that ends with {' or '.join(_TENSOR_FILES)}")
    tensors = {
        name or "result": torch.as_tensor(leaf).contiguous() for name, leaf in leaves.items() if _is_number(leaf)
    }
    if len(tensors) < len(leaves):
        others = [name or "the result" for name, leaf in leaves.items() if not _is_number(leaf)]
        raise ConfigError(f"cannot write {', '.join(others)}, which is no tensor or number")
    try:
        if path.suffix == ".safetensors":
            path.write_bytes(b"".join(tensors_entry(tensors)))
        else:
            import numpy

            numpy.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"cannot write {path}: {error}") from error


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (torch.Tensor, bool, int, float))


def _name(path: tuple[Any, ...]) -> str:
    """`y.0` for `result["y"][0]`."""
    return ".".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path)
