"""Where torch keeps what a tensor is, found by looking at a few tensors.

The dispatcher compares these bytes of a captured tensor with those of the last call, and asks torch only if they differ. Nothing
is taken for granted: a torch that keeps something elsewhere has no layout here, and then torch is asked at each call.
"""

from __future__ import annotations

import contextlib
import ctypes
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

_MOST = 256  # bytes of an object that are looked at
_RANKS = range(1, 9)
_Pair = tuple[torch.Tensor, torch.Tensor]


class TensorLayout(NamedTuple):
    """Offsets in bytes.

    Attributes:
        storage: of a TensorImpl: the address of its storage.
        begin, end: of a TensorImpl: all between says what its rank, sizes, strides, offset, dtype, device and dispatch keys are.
        data: of a storage: the address of its memory.
        max_rank: tensors of a higher rank keep sizes and strides elsewhere.
    """

    storage: int
    begin: int
    end: int
    data: int
    max_rank: int


def tensor_layout() -> TensorLayout | None:
    """The layout of this torch's tensors; None if it has none that can be told."""
    try:
        size_of = ctypes.CDLL(None).malloc_usable_size
    except (OSError, AttributeError):
        return None
    size_of.argtypes, size_of.restype = [ctypes.c_void_p], ctypes.c_size_t
    with contextlib.suppress(RuntimeError, TypeError, AttributeError), torch.inference_mode(False), torch.no_grad():
        return _Probe(size_of).layout()
    return None


class _Probe:
    def __init__(self, size_of: Any):
        self._size_of = size_of
        self._memory = bytearray(4096)  # alive as long as the tensors on it
        self._storage = torch.frombuffer(self._memory, dtype=torch.uint8).untyped_storage()

    def layout(self) -> TensorLayout | None:
        storage, data = self._address_of_storage(), self._address_of_data()
        changed = [self._changed(pair) for pair in self._pairs()]
        if storage is None or data is None or not all(changed):
            return None
        max_rank, shape = self._shape()
        words = {place // 8 for places in changed for place in places} - {storage // 8} | shape
        return TensorLayout(storage, 8 * min(words), 8 * max(words) + 8, data, max_rank) if max_rank else None

    def _view(
        self, sizes: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        return torch.empty(0, dtype=dtype, device="cpu").set_(self._storage, offset, sizes, strides)  # type: ignore[call-overload]

    def _pairs(self) -> Iterator[_Pair]:
        """Two tensors that are alike but for one thing."""
        usual = self._view((4, 4), (4, 1))
        yield usual, self._view((4, 3), (4, 1))
        yield usual, self._view((4, 4), (5, 1))
        yield usual, self._view((4, 4), (4, 1), 1)
        yield usual, self._view((4, 4), (4, 1), dtype=torch.int32)
        yield usual, torch.empty(4, 4, dtype=torch.float32, device="cpu")
        yield usual, torch._neg_view(usual)
        numbers = self._view((4, 4), (4, 1), dtype=torch.complex64)
        yield numbers, numbers.conj()

    def _bytes(self, address: int) -> bytes:
        return ctypes.string_at(address, min(self._size_of(address), _MOST) // 8 * 8)

    def _words(self, address: int) -> tuple[int, ...]:
        held = self._bytes(address)
        return struct.unpack(f"{len(held) // 8}q", held)

    def _changed(self, pair: _Pair) -> list[int]:
        """Where a tensor changes that becomes the second of the pair, and back."""
        tensor = torch.empty(0, dtype=pair[0].dtype, device="cpu")
        states = []
        for value in (*pair, *pair):
            tensor.data = value
            states.append(self._bytes(tensor._cdata))
        _, second, first, again = states
        return [i for i in range(len(first)) if first[i] != second[i]] if second == again else []

    def _address_of_storage(self) -> int | None:
        tensors = [self._view((4, 4), (4, 1)), torch.empty(3, device="cpu")]
        return _place_of([(self._words(t._cdata), t.untyped_storage()._cdata) for t in tensors])

    def _address_of_data(self) -> int | None:
        grown = torch.empty(3, device="cpu").untyped_storage()
        storages = [self._storage, torch.empty(3, device="cpu").untyped_storage(), grown]
        seen = [(self._words(s._cdata), s.data_ptr()) for s in storages]
        grown.resize_(0)
        seen.append((self._words(grown._cdata), 0))
        grown.resize_(1000)
        seen.append((self._words(grown._cdata), grown.data_ptr()))
        return _place_of(seen)

    def _shape(self) -> tuple[int, set[int]]:
        """The highest rank up to which the rank, all sizes and all strides lie in the tensor, and the words that hold them.

        Each of the three lies at the same place at each rank.
        """
        sizes, strides = (2, 3, 4, 5, 6, 7, 8, 9), (7, 11, 13, 17, 19, 23, 29, 31)
        seen = [self._words(self._view(sizes[:rank], strides[:rank])._cdata) for rank in _RANKS]
        for rank in reversed(_RANKS):
            upto = range(1, rank + 1)
            wanted = [[(r,) for r in upto], [sizes[:r] for r in upto], [strides[:r] for r in upto]]
            found = [
                [
                    p
                    for p in range(len(seen[0]))
                    if all(w[p : p + len(v)] == v for w, v in zip(seen, values, strict=False))
                ]
                for values in wanted
            ]
            if all(found):
                return rank, {
                    found[0][0],
                    *range(found[1][0], found[1][0] + rank),
                    *range(found[2][0], found[2][0] + rank),
                }
        return 0, set()


def _place_of(seen: list[tuple[tuple[int, ...], int]]) -> int | None:
    """The first offset at which each object holds its value."""
    length = min(len(words) for words, _ in seen)
    return next((8 * p for p in range(length) if all(words[p] == value for words, value in seen)), None)
