"""What is written for people to read, and to files and queues: called again after each run, with the run's values."""

from __future__ import annotations

import builtins
import contextvars
import io
import logging
import queue
import sys
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from . import objects
from .errors import Unsupported
from .journal import contents_kind
from .scalar import Scalar

if TYPE_CHECKING:
    from .interpreter import Interpreter

Handler = Callable[..., Any]
_SIMPLE = (int, float, complex, bool, str, bytes, type(None), type, torch.dtype, torch.device, torch.Size, range, slice)


def find(function: Any) -> Handler | None:
    """What stands for a function, called with the interpreter first; None for others."""
    if function is builtins.print or function is warnings.warn:
        return _FUNCTIONS[function]
    if type(function) is types.FunctionType and function.__module__ == "logging":
        return _root_logged(function) if function.__name__ in _LEVELS else None
    return None


def find_method(function: Any) -> Callable[[Interpreter, Any, list[Any], dict[str, Any]], Any] | None:
    """The same for a bound method, called with the interpreter, the method and its arguments."""
    owner, name = function.__self__, function.__name__
    if isinstance(owner, logging.Logger) and name in _LEVELS and type(owner).__module__ == "logging":
        return _logged
    if isinstance(owner, (io.TextIOBase, io.BufferedIOBase, io.RawIOBase)) and name in ("write", "flush", "writelines"):
        return _written if objects.method(owner, name) is None else None
    if type(owner) in (queue.Queue, queue.SimpleQueue, queue.LifoQueue, queue.PriorityQueue) and name in _PUTS:
        return _put
    if isinstance(owner, contextvars.ContextVar) and name in ("set", "reset"):
        return _switched
    return None


_PUTS = ("put", "put_nowait")
_LEVELS = {
    "debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "warn": logging.WARNING,
    "error": logging.ERROR, "critical": logging.CRITICAL, "fatal": logging.CRITICAL, "log": None,
}  # fmt: skip


def _repeat(interpreter: Interpreter, what: str, function: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Call `function` after each run with what the arguments are now."""
    context = interpreter.context
    context.check_effect(what)
    shown = tuple(_shown(interpreter, a, what) for a in args)
    context.journal.repeat(function, shown, {k: _shown(interpreter, v, what) for k, v in kwargs.items()}, True)


def _shown(interpreter: Interpreter, value: Any, what: str) -> Any:
    """`value` as it is now: what the code does to it later must not show."""
    if isinstance(value, torch.Tensor):
        if interpreter.gradients_needed():
            raise Unsupported(f"{what}: a tensor in a call that needs gradients", hint="detach() it", effect=True)
        return value.clone()
    if isinstance(value, (*_SIMPLE, Scalar)):
        return value
    kind = contents_kind(value)
    if type(value) in (list, tuple, set, dict) and (kind is None or interpreter.context.is_created(value)):
        if isinstance(value, dict):
            made: Any = {_shown(interpreter, k, what): _shown(interpreter, v, what) for k, v in value.items()}
        else:
            made = type(value)(_shown(interpreter, v, what) for v in interpreter.escaping(value))
        return made if kind is None else interpreter.context.created(made)
    raise Unsupported(f"{what}: a {type(value).__name__}", hint="give it tensors, numbers and text", effect=True)


def _print(interpreter: Interpreter, *args: Any, **kwargs: Any) -> None:
    file = kwargs.pop("file", None)
    if file is not None and not isinstance(file, io.TextIOBase):
        raise Unsupported("print() to an object of the user's", effect=True)
    if file in (sys.stdout, sys.stderr):
        name = "stdout" if file is sys.stdout else "stderr"
        _repeat(interpreter, "print() is called", lambda *a, **k: print(*a, file=getattr(sys, name), **k), args, kwargs)
    else:
        _repeat(interpreter, "print() is called", lambda *a, **k: print(*a, file=file, **k), args, kwargs)


def _warn(
    interpreter: Interpreter,
    message: Any,
    category: Any = None,
    stacklevel: int = 1,
    source: Any = None,
    **options: Any,
) -> None:
    if stacklevel != 1 or source is not None or options:
        raise Unsupported("warnings.warn with a stack level", effect=True)
    if isinstance(message, Warning):
        raise Unsupported("warnings.warn of an exception", effect=True)
    frame = interpreter.frames[-1]
    variables = frame.function.__globals__
    path, line = frame.code.co_filename, frame.line

    def warn(message: Any) -> None:
        registry = variables.setdefault("__warningregistry__", {})
        module = variables.get("__name__") or "<unknown>"
        warnings.warn_explicit(message, category or UserWarning, path, line, module, registry)

    _repeat(interpreter, "warnings.warn() is called", warn, [message], {})


def _logged(interpreter: Interpreter, method: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    logger: logging.Logger = method.__self__
    if set(kwargs) - {"extra"}:
        raise Unsupported(f"{method.__name__}() of a logger with {', '.join(kwargs)}", effect=True)
    level = _LEVELS[method.__name__]
    if level is None:
        level, args = args[0], args[1:]
    frame = interpreter.frames[-1] if interpreter.frames else None
    where = (
        (frame.code.co_filename, frame.line, frame.code.co_name)
        if frame
        else ("(unknown file)", 0, "(unknown function)")
    )

    def log(message: Any, *args: Any, extra: Any = None) -> None:
        if logger.isEnabledFor(level):
            record = logger.makeRecord(
                logger.name, level, where[0], where[1], message, args, None, where[2], extra, None
            )
            logger.handle(record)

    _repeat(interpreter, f"{method.__name__}() of a logger is called", log, args, kwargs)


def _root_logged(function: Any) -> Handler:
    def handler(interpreter: Interpreter, *args: Any, **kwargs: Any) -> None:
        if not logging.root.handlers:
            interpreter.context.check_effect("logging is set up")
            interpreter.context.journal.repeat(_set_up, (), {}, True)
        _logged(interpreter, getattr(logging.root, function.__name__), list(args), kwargs)

    return handler


def _set_up() -> None:
    if not logging.root.handlers:
        logging.basicConfig()


def _written(interpreter: Interpreter, method: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    name = method.__name__
    if name == "write" and not isinstance(args[0], (str, bytes)):
        raise Unsupported("write() of what is no text", effect=True)
    if name == "writelines":
        args = [[*interpreter.iterate(args[0])]]
        interpreter.context.created(args[0])
    owner = method.__self__
    stream = next((n for n in ("stdout", "stderr") if owner is getattr(sys, n)), None)
    function = method if stream is None else lambda *a: getattr(getattr(sys, stream), name)(*a)
    _repeat(interpreter, f"{name}() of a file is called", function, args, kwargs)
    return len(args[0]) if name == "write" else None


def _put(interpreter: Interpreter, method: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    interpreter.context.check_effect("put() of a queue is called")
    interpreter.context.journal.repeat(method, tuple(args), kwargs, False)


def _switched(interpreter: Interpreter, method: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A context variable is set, or reset: nothing is left of it at the end of the call (see `Interpreter.run`)."""
    if interpreter.context.regions:
        raise Unsupported("a context variable is set in control flow that is compiled", effect=True)
    found = method(*args, **kwargs)
    tokens = interpreter.context.tokens
    if method.__name__ == "set":
        tokens.append(found)
    else:
        tokens[:] = [t for t in tokens if t is not args[0]]
    return found


_FUNCTIONS: dict[Any, Handler] = {builtins.print: _print, warnings.warn: _warn}
