"""What a variant reads besides its arguments: the Python side of native/glue/state.cpp.

A `Group` holds what was read of one object. A dict and a type tell when they change, so their checks are looked at again only
then; the other kinds are compared at each call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["dict", "type", "sequence", "cell", "object", "function", "attribute", "call"]
How = Literal["is", "equals", "absent", "tensor"]


@dataclass(frozen=True, eq=False)
class Check:
    """One value.

    how:
        `is`: the object `expected`. `equals`: of the same type and equal; floats and what tuples hold bit for bit.
        `absent`: nothing is there. `tensor`: the captured tensor of number `expected`, which is fetched from here.
    """

    how: How
    key: Any = None
    expected: Any = None


@dataclass(frozen=True, eq=False)
class Group:
    """Checks of one object.

    kind:
        `dict`: `container[key]`. With `detail` True the checks name all items, in order.
        `type`: what a look-up of `key` along the class's bases finds.
        `sequence`: `container[key]` of a list, or of the items of a set or deque in order; `detail` is the length, or None.
        `cell`: its contents. `object`: its class and its dict of attributes are those of the tuple `detail`, or the latter
            is None.
        `function`: its code, defaults and keyword defaults are the objects of the tuple `detail`.
        `attribute`: `getattr(container, key)`. `call`: `container()`.
    """

    kind: Kind
    container: Any
    detail: Any = None
    checks: tuple[Check, ...] = ()

    def native(self) -> tuple[Any, ...]:
        """The form that the native dispatcher reads."""
        return self.kind, self.container, self.detail, tuple((c.how, c.key, c.expected) for c in self.checks)
