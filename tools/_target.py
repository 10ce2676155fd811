"""What the command line names: `path/to/file.py:name` or `package.module:name`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from jic.errors import ConfigError

FORM = "a target is path/to/file.py:name or package.module:name"


def resolve(target: str) -> Callable[..., Any]:
    """The function or module that `target` names.

    A class of modules is instantiated, and a function without parameters that returns a callable is a factory: its result
    is taken. Modules are put into evaluation mode only by their own code.

    Raises:
        ConfigError: nothing callable is there, or loading it fails.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(f"cannot read the target '{target}'", hint=FORM)
    found: Any = _import(place)
    for part in name.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"'{place}' has no '{name}'", hint=_names(found))
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"'{target}' is {type(found).__name__}, expected a function, a module or a factory of one")
    return _made(found, target)


def _made(found: Any, target: str) -> Callable[..., Any]:
    is_class = isinstance(found, type) and issubclass(found, torch.nn.Module)
    if not is_class and not (inspect.isfunction(found) and not inspect.signature(found).parameters):
        return found
    try:
        made = found()
    except Exception as error:
        raise ConfigError(
            f"'{target}' failed without arguments: {type(error).__name__}: {error}",
            hint="name a function without parameters that returns the module",
        ) from error
    return made if callable(made) else found


def _import(place: str) -> ModuleType:
    path = Path(place)
    try:
        if path.suffix != ".py":
            if "" not in sys.path and str(Path.cwd()) not in sys.path:
                sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(place)
        if not path.is_file():
            raise ConfigError(f"cannot load '{place}': no such file", hint=FORM)
        folder = str(path.resolve().parent)
        if folder not in sys.path:  # as when the file is run: it can import its neighbours
            sys.path.insert(0, folder)
        unique = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
        spec = importlib.util.spec_from_file_location(f"jic_target_{path.stem}_{unique}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"cannot load '{place}': {type(error).__name__}: {error}", hint=FORM) from error


def _names(found: Any) -> str:
    names = (
        [n for n, v in vars(found).items() if callable(v) and not n.startswith("_")]
        if hasattr(found, "__dict__")
        else []
    )
    return f"it has {', '.join(names[:8])}" if names else ""
