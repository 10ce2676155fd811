"""What jic raises: one class an error kind, each with a stable code.

A message says where (the user's source line, when known), what was seen, what was expected and what to do.
"""

from __future__ import annotations

from typing import Any


class JicError(Exception):
    """Base of all errors that jic raises itself.

    Args:
        message: what was seen and what was expected.
        hint: what the user can do.
        location: the user's source line, as `file:line`.
    """

    code = "JIC000"

    def __init__(self, message: str, *, hint: str = "", location: str = "") -> None:
        self.message, self.hint, self.location = message, hint, location
        where = f"{location}: " if location else ""
        todo = f"\n  hint: {hint}" if hint else ""
        super().__init__(f"{where}[{self.code}] {message}{todo}")


class CaptureError(JicError):
    """The Python function could not be captured as a graph."""

    code = "JIC001"
    notes: list[tuple[str, str, str]] = []  # what else was noticed while tracing: (what, why, location)
    effect = False  # it was refused for an effect outside the graph
    outermost: tuple[Any, int] | None = None  # the function that was traced, and its line where it was refused
    guards: list[Any] = []  # what had been read of the state around the call: another state may be captured


class UnsupportedError(JicError):
    """An op, dtype or argument that jic cannot compile (raised only where falling back is not allowed)."""

    code = "JIC002"


class FallbackError(JicError):
    """`strict=True` and something would have fallen back to eager; or an effect, and `on_effect="error"`."""

    code = "JIC003"


class PassError(JicError):
    """A pass got bad options, failed, or left invalid IR."""

    code = "JIC004"


class PipelineError(JicError):
    """A pass pipeline's text does not parse or names an unknown pass or option."""

    code = "JIC005"


class LoweringError(JicError):
    """A kernel could not be lowered to the target. A bug of jic: fusion must not form what no template lowers."""

    code = "JIC006"


class CodegenError(JicError):
    """The target's compiler refused the lowered code."""

    code = "JIC007"


class ArtifactError(JicError):
    """A saved artifact is damaged, of another version, or for another machine."""

    code = "JIC008"


class DeviceError(JicError):
    """The target's device or driver is missing or failed."""

    code = "JIC009"


class ConfigError(JicError):
    """An invalid configuration value."""

    code = "JIC010"


class BudgetError(CaptureError):
    """Compiling takes more operations or time than the configuration allows."""

    code = "JIC011"


class ExportError(JicError):
    """What a call does cannot be put into a file, or not for the target that was asked for."""

    code = "JIC012"


class SignatureError(JicError):
    """A call of a loaded program fits none of the signatures that were exported, or the state around it differs."""

    code = "JIC013"


class ProgramError(JicError):
    """A loaded program gave up: an index was out of range, or what it was compiled for does not hold for these values."""

    code = "JIC014"
