"""Which tensors may, to the user, be one and the same: the result of a branch or loop may be one that was there before."""

from __future__ import annotations

from collections.abc import Iterable


class Identities:
    """Memory (by number) and what it may be: a graph, so that long chains of branches cost no more than their length."""

    def __init__(self) -> None:
        self._sources: dict[int, set[int]] = {}
        self._results: dict[int, set[int]] = {}
        self._copies: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._sources)

    def add(self, result: int, sources: Iterable[int], new: Iterable[int] = ()) -> None:
        """`result` may be one of `sources`, or one of `new`: tensors that were made where it comes from.

        Of a new tensor nobody else knows, unless it may be another one or came out under two names.
        """
        for source in sources:
            self._link(result, source)
            self._copies.add(result)
        for source in new:
            others = self._results.get(source, set()) - {result}
            if source in self._copies or others:
                self._copies |= {result, *others}
            self._link(result, source)

    def _link(self, result: int, source: int) -> None:
        if result != source:
            self._sources.setdefault(result, set()).add(source)
            self._results.setdefault(source, set()).add(result)

    def is_copy(self, memory: int) -> bool:
        """Whether it may be a tensor that somebody else has too."""
        return memory in self._copies

    def origins(self, memory: int) -> set[int]:
        """All that `memory` may be besides itself."""
        return self._reached(memory, self._sources) - {memory}

    def related(self, memory: int) -> set[int]:
        """All that may be the same tensor as `memory`."""
        found: set[int] = set()
        for source in self._reached(memory, self._sources):
            if source not in found:
                found |= self._reached(source, self._results)
        return found - {memory}

    @staticmethod
    def _reached(start: int, edges: dict[int, set[int]]) -> set[int]:
        found, pending = {start}, [start]
        while pending:
            for other in edges.get(pending.pop(), ()):
                if other not in found:
                    found.add(other)
                    pending.append(other)
        return found
