"""Values that are made anew after each run: what the call stored into objects that outlive it.

What was there before the call is the object itself. What the call made is built again: lists, dicts, sets, tuples, and objects
of users' classes, over tensors and numbers of the run; an object that is in several places is built once.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from .context import Context
from .errors import Unsupported
from .iteration import Range, Unroll, Wrapped
from .journal import UNDEFINED, contents_kind
from .lists import Segment, expanded
from .scalar import Scalar
from .values import Maybe, Poison

Built = dict[int, Any]  # what one call has built, by the id of the object that the trace had
Template = Callable[[tuple[Any, ...], Built], Any]  # given the values of a run

_SIMPLE = (
    int,
    float,
    complex,
    bool,
    str,
    bytes,
    type(None),
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
)


class Templates:
    """The templates of one trace.

    Attributes:
        values: the tensors and run-time numbers that they need, each once.
        constants: objects that they refer to.
        made: ids of mutable objects that they build.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.values: list[Any] = []
        self.constants: list[Any] = []
        self.made: set[int] = set()
        self._numbers: dict[int, int] = {}
        self._known: dict[int, Template] = {}
        self._keep: list[Any] = []

    def of(self, value: Any, what: str) -> Template:
        """The template of `value`, which is stored into `what`.

        Raises:
            Unsupported: it cannot be made again.
        """
        if isinstance(value, (torch.Tensor, Scalar)):
            return self._value(value)
        if isinstance(value, (Range, Unroll, Wrapped, Segment, Maybe, Poison)) or value is UNDEFINED:
            raise _refused(value, what)
        if isinstance(value, tuple) and type(value) is not torch.Size:
            return self._tuple(value, what)
        if not self.context.is_created(value) or isinstance(value, _SIMPLE):
            self.constants.append(value)
            return lambda values, built: value
        if id(value) not in self._known:
            self.context.check_identity(value)
            self._keep.append(value)
            self.made.add(id(value))
            # An object may hold itself.
            self._known[id(value)] = lambda values, built: built[id(value)]
            self._known[id(value)] = self._object(value, what)
        return self._known[id(value)]

    def _value(self, value: Any) -> Template:
        if id(value) not in self._numbers:
            self._keep.append(value)
            self._numbers[id(value)] = len(self.values)
            self.values.append(value)
        number = self._numbers[id(value)]
        return lambda values, built: values[number]

    def _tuple(self, value: tuple[Any, ...], what: str) -> Template:
        before = len(self.values), len(self.made)
        constant = all(isinstance(v, _SIMPLE) for v in value)
        parts = [self.of(v, what) for v in expanded(value, kept=True)]
        class_: Any = type(value) if hasattr(value, "_fields") or type(value) is tuple else tuple
        if constant and (len(self.values), len(self.made)) == before:
            self.constants.append(value)
            return lambda values, built: value
        made = class_._make if hasattr(class_, "_make") else class_
        return lambda values, built: made([p(values, built) for p in parts])

    def _object(self, value: Any, what: str) -> Template:
        kind, key = contents_kind(value), id(value)
        if type(value) is list:
            parts = [self.of(v, what) for v in expanded(value, kept=True)]
            return _filled(key, list, lambda new, values, built: new.extend(p(values, built) for p in parts))
        if type(value) is collections.deque:
            parts, size = [self.of(v, what) for v in value], value.maxlen
            return _filled(
                key,
                lambda: collections.deque(maxlen=size),
                lambda new, values, built: new.extend(p(values, built) for p in parts),
            )
        if type(value) is set:
            parts = [self.of(v, what) for v in value]
            return _filled(key, set, lambda new, values, built: new.update(p(values, built) for p in parts))
        if type(value) in (dict, collections.OrderedDict, collections.Counter, collections.defaultdict):
            return self._dict(value, what)
        fields = getattr(value, "__dict__", None)
        if type(fields) is not dict:
            raise _refused(value, what)
        plain = kind is None and type(value).__new__ is object.__new__
        if (
            not plain
            or isinstance(value, (torch.nn.Module, types.FunctionType, BaseException))
            or _has_slots(type(value))
        ):
            raise _refused(value, what)
        names = [(n, self.of(v, what)) for n, v in fields.items()]
        class_ = type(value)
        return _filled(
            key,
            lambda: object.__new__(class_),
            lambda new, values, built: vars(new).update((n, p(values, built)) for n, p in names),
        )

    def _dict(self, value: Any, what: str) -> Template:
        items = [(self.of(k, what), self.of(v, what)) for k, v in value.items()]
        class_, factory = type(value), getattr(value, "default_factory", None)
        if self.context.is_created(factory):
            raise _refused(value, what)
        empty = (lambda: collections.defaultdict(factory)) if class_ is collections.defaultdict else class_

        def fill(new: Any, values: tuple[Any, ...], built: Built) -> None:
            for k, v in items:
                new[k(values, built)] = v(values, built)

        return _filled(id(value), empty, fill)


def _filled(key: int, empty: Callable[[], Any], fill: Callable[[Any, tuple[Any, ...], Built], Any]) -> Template:
    def build(values: tuple[Any, ...], built: Built) -> Any:
        if key not in built:
            built[key] = new = empty()
            fill(new, values, built)
        return built[key]

    return build


def _has_slots(class_: type) -> bool:
    return any(vars(base).get("__slots__") for base in class_.__mro__)


def _refused(value: Any, what: str) -> Unsupported:
    return Unsupported(
        f"{what} is assigned a {type(value).__name__} that the compiled function makes",
        hint="store tensors, numbers, and lists, dicts or plain objects of them, or return it instead",
        effect=True,
    )


def holds_trace(value: Any, depth: int = 4) -> bool:
    """Whether an object that outlives the trace holds tensors or numbers of the trace."""
    if isinstance(value, (FakeTensor, Scalar, Segment)):
        return True
    if depth == 0 or isinstance(value, (*_SIMPLE, type, types.ModuleType, types.FunctionType, torch.Tensor)):
        return False
    return any(holds_trace(v, depth - 1) for v in _parts(value))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        yield from list(value)[:1000]
    elif isinstance(value, dict):
        yield from list(value.values())[:1000]
    else:
        fields = getattr(value, "__dict__", None)
        if type(fields) is dict:
            yield from list(fields.values())[:1000]
