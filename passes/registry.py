"""Finds passes by name without importing them.

A file's name is its pass's name: `passes/<room>/fuse_elementwise.py` holds the one pass `jic-fuse-elementwise`, as

    @dataclass(frozen=True)
    class FuseElementwise(Pass):
        name = "jic-fuse-elementwise"

Files without such a line, and files whose names begin with `_`, are helpers. Passes that live elsewhere (a target's own
passes, a user's module) call `register`, which is also a decorator.
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar, get_type_hints

from jic.errors import PassError, PipelineError

from .base import Pass

P = TypeVar("P", bound=type[Pass])

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_registered: dict[str, type[Pass]] = {}


@cache
def _folders() -> tuple[Path, ...]:
    return tuple(sorted(path for path in Path(__file__).parent.glob("[!_.]*") if path.is_dir()))


@cache
def _file(name: str) -> str | None:
    """The module name (below `jic.passes`) of the file that holds the pass `name`."""
    stem = name.removeprefix("jic-").replace("-", "_")
    if not name.startswith("jic-") or not _NAME.fullmatch(name):
        return None
    found: list[str] = []
    for folder in _folders():
        try:
            # The text is searched, not the module: starting a tool must not import every pass.
            text = (folder / f"{stem}.py").read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        if re.search(rf'^ +name(\s*:[^=]*)?\s*=\s*"{name}"', text, re.M):
            found.append(f"{folder.name}.{stem}")
    if len(found) > 1:
        raise PassError(f"two files define the pass '{name}': {' and '.join(found)}")
    return found[0] if found else None


def names() -> list[str]:
    """The names of all known passes, sorted."""
    stems = {path.stem for folder in _folders() for path in folder.glob("[!_.]*.py")}
    in_files = {name for stem in stems if _file(name := "jic-" + stem.replace("_", "-"))}
    return sorted({*in_files, *_registered})


def is_known(name: str) -> bool:
    return name in _registered or _file(name) is not None


def lookup(name: str) -> type[Pass]:
    """The class of the pass `name`; its module is imported the first time.

    Raises:
        PipelineError: there is no such pass.
        PassError: the pass's file does not define it.
    """
    if name in _registered:
        return _registered[name]
    file = _file(name)
    if file is None:
        raise PipelineError(f"unknown pass '{name}'", hint="`jic-opt --list-passes` lists the passes")
    module = import_module(f"{__package__}.{file}")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Pass) and value.__dict__.get("name") == name
    ]
    if len(classes) != 1:
        raise PassError(f"{module.__file__} defines {len(classes)} passes named '{name}', expected 1")
    return register(classes[0])


def register(cls: P) -> P:
    """Make a pass known by its `name`. Registering a class again replaces the one of the same module and class name.

    Raises:
        PassError: `cls` is not a pass, has no proper name, an option without a default, or a name that is taken.
    """
    if not (isinstance(cls, type) and issubclass(cls, Pass)):
        raise PassError(f"{cls!r} is not a pass", hint="derive it from jic.passes.base.Pass")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PassError(f"pass {cls.__qualname__} has the name {name!r}, expected lower-case words joined by '-'")
    if getattr(cls, "__abstractmethods__", None):
        raise PassError(f"pass '{name}' does not define apply(module)")
    try:
        cls()
    except TypeError as error:
        raise PassError(f"pass '{name}' needs a default for every option: {error}") from error
    options = fields(cls)
    hints = get_type_hints(cls) if options else {}
    for field in options:
        if field.name not in hints:
            raise PassError(f"option '{field.name}' of pass '{name}' has no type")
    taken = _registered.get(name)
    file = _file(name) if taken is None else None
    if file is not None and cls.__module__ != f"{__package__}.{file}":
        taken = lookup(name)
    if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
        raise PassError(f"the pass name '{name}' is taken by {taken.__module__}.{taken.__qualname__}")
    _registered[name] = cls
    return cls
