"""Lists, dicts and objects that come out of a branch or a loop: whether the new one is as good as the one that eager has.

if c: u = v          u is a new list over the merged tensors. Eager's is `v` or `w` itself, so a write to `u` must be seen
else: u = w          in one of them: this `u` may be read, and nothing else.

if c: u = [a]        Nothing but `u` refers to either list: nobody can tell.
else: u = [b]
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .errors import Unsupported
from .journal import UNDEFINED
from .values import Maybe, Spec, children, is_mutable

if TYPE_CHECKING:
    from .context import Context

# Places whose value is all that a container holds: a copy of it, which nothing refers to.
_CONTENTS = ("list", "dict", "set", "deque")


def held(place_kind: str, value: Any) -> list[Any]:
    """The values that a place of this kind refers to, where it holds `value`."""
    if place_kind not in _CONTENTS or value is UNDEFINED:
        return [value]
    return list(value.values()) if place_kind == "dict" else list(value)


def mutable_parts(value: Any) -> Iterator[Any]:
    """The containers in `value`, itself among them, that can be changed; one that is in it twice comes twice."""
    if is_mutable(value):
        yield value
    for item in (children(value) or ("", None, ()))[2]:
        yield from mutable_parts(item)


def soles(context: Context, values: Iterable[Any]) -> set[int]:
    """Ids of the mutable containers in `values` that the call made and to which one thing alone refers."""
    wanted = {id(part): part for value in values for part in mutable_parts(value)}
    if not wanted:
        return set()
    counts: collections.Counter[int] = collections.Counter()
    seen: set[int] = set()

    def visit(value: Any) -> None:
        if is_mutable(value):
            counts[id(value)] += 1
            if id(value) in seen:
                return
            seen.add(id(value))
        for item in (children(value) or ("", None, ()))[2]:
            visit(item)

    for value in (*(value for _, value in context.variables()), *context.names.variables.values()):
        visit(value)
    places = {place for place, _ in context.journal.entries if place.kind not in ("var", "cell", "nowhere")}
    for place in places:
        if place.kind not in _CONTENTS or id(place.owner) not in seen:
            for value in held(place.kind, place.read()):
                visit(value)
    return {
        key
        for key, part in wanted.items()
        if counts[key] <= 1 and context.is_created(part) and not context.is_doubtful(part)
    }


def judge(context: Context, spec: Spec, made: Any, alternatives: Iterable[Any], sole: set[int], what: str) -> None:
    """Note of each container in `made`, rebuilt for `spec` out of `alternatives`, whether it is as good as eager's.

    Args:
        sole: the ids of those containers in the alternatives to which nothing else refers.
        what: the loop or branch, in words.
    """
    if spec.kind == "constant" or made is UNDEFINED:
        return
    found = [a.value if isinstance(a, Maybe) else a for a in alternatives]
    found = [a for a in found if a is not UNDEFINED]
    if isinstance(made, Maybe):
        judge(context, spec.items[0], made.value, found, sole, what)
        return
    if is_mutable(made):
        context.created(made)
        if not all(id(a) in sole for a in found):
            context.doubt(made, _why(made, what))
    parts = children(made)
    if parts is None:
        return
    columns = [(children(a) or ("", None, ()))[2] for a in found]
    for number, (inner, item) in enumerate(zip(spec.items, parts[2], strict=True)):
        judge(context, inner, item, [c[number] for c in columns if len(c) == len(parts[2])], sole, what)


def rebuilt_parts(spec: Spec, value: Any) -> Iterator[Any]:
    """The mutable containers in `value` that `rebuild` makes anew for `spec`."""
    if value is UNDEFINED or spec.kind == "constant":
        return
    if is_mutable(value):
        yield value
    for inner, item in zip(spec.items, (children(value) or ("", None, ()))[2], strict=False):
        yield from rebuilt_parts(inner, item)


def doubt_all(context: Context, spec: Spec, made: Any, what: str) -> Any:
    """Note that each container in `made`, rebuilt, stands for one that something else may refer to. Returns `made`."""
    for part in rebuilt_parts(spec, made):
        context.created(part)
        context.doubt(part, _why(part, what))
    return made


def _why(part: Any, what: str) -> Unsupported:
    return Unsupported(
        f"a {type(part).__name__} that comes out of {what}, and may be one of several, is changed, compared or handed on",
        hint="use a tuple, or keep its items in variables",
    )
