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
        begin, end: of a TensorImpl: all between says what its sizes, strides, offset, dtype, device, dispatch keys and storage are.
        storage: of a TensorImpl: the address of its storage.
        data: of a storage: the address of its memory.
        max_rank: tensors of a higher rank keep sizes and strides elsewhere.
    """

    begin: int
    end: int
    storage: int
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
        changed = [self._changed(pair) for pair in self._pairs()]
        storage, data = self._address_of_storage(), self._address_of_data()
        if not all(changed) or storage is None or data is None:
            return None
        begin = min(storage, *(places[0] for places in changed)) // 8 * 8
        end = max(storage, *(places[-1] for places in changed)) // 8 * 8 + 8
        max_rank = self._max_rank(begin, end)
        return TensorLayout(begin, end, storage, data, max_rank) if max_rank else None

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

    def _max_rank(self, begin: int, end: int) -> int:
        """The highest rank up to which all sizes, all strides and the rank itself lie in the range, at the same places."""
        sizes, strides = (2, 3, 4, 5, 6, 7, 8, 9), (7, 11, 13, 17, 19, 23, 29, 31)
        inside: list[tuple[int, ...]] = []
        best = 0
        for rank in _RANKS:
            tensor = self._view(sizes[:rank], strides[:rank])
            inside.append(self._words(tensor._cdata)[begin // 8 : end // 8])
            places = range(len(inside[0]))
            found = all(
                any(all(w[p : p + r] == values[:r] for r, w in enumerate(inside, 1)) for p in places)
                for values in (sizes, strides)
            ) and any(all(w[p] == r for r, w in enumerate(inside, 1)) for p in places)
            if not found:
                break
            best = rank
        return best


def _place_of(seen: list[tuple[tuple[int, ...], int]]) -> int | None:
    """The first offset at which each object holds its value."""
    length = min(len(words) for words, _ in seen)
    return next((8 * p for p in range(length) if all(words[p] == value for words, value in seen)), None)
