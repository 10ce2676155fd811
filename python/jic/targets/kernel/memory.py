"""Loads and stores of flat buffers at linear offsets, scalar or over the lanes of a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from ..ir import ops
from . import elementwise
from .index import Linear, Variable


@dataclass
class Memory:
    """The buffers of a kernel and the point at which it works.

    Attributes:
        buffers: flat `memref<Nx…>` arguments, in the region's order; outputs may follow.
        variables: the value (index type) of each iteration variable; a missing one is 0 or was merged into another.
        lane: the variable that runs over the lanes, or None for scalar code. `variables[lane]` is the first lane's value.
        width: lanes of a vector.
        mask: `vector<width x i1>` of the lanes that exist, or None if all do.
        status: the i64[1] buffer that failed index checks write to, or None.
        nontemporal: write around the caches.
    """

    buffers: Sequence[ir.Value]
    variables: dict[Variable, ir.Value]
    lane: Variable | None = None
    width: int = 1
    mask: ir.Value | None = None
    status: ir.Value | None = None
    nontemporal: bool = False
    _vector_variables: dict[Variable, ir.Value] = field(default_factory=dict)

    # ---- lanes ----

    def as_vector(self, value: ir.Value) -> ir.Value:
        return value if isinstance(value.type, ir.VectorType) else ops.splat(value, self.width)

    def _steps(self, element: ir.Type, factor: int) -> ir.Value:
        """`[0, factor, 2 factor, …]`"""
        values = [ir.IntegerAttr.get(element, i * factor) for i in range(self.width)]
        type_ = ops.vector_type(self.width, element)
        return ops.op("arith.constant", [], type_, {"value": ir.DenseElementsAttr.get(values, type_)})

    def _every_lane(self) -> ir.Value:
        return ops.constant(ops.vector_type(self.width, ir.IntegerType.get_signless(1)), 1)

    # ---- positions ----

    def _uniform(self, position: Linear) -> ir.Value:
        """The part of `position` that is the same in all lanes (with lane 0's value of the lane variable)."""
        total: ir.Value | None = None
        for variable, coefficient in position.terms:
            value = self.variables.get(variable)
            if value is None or variable in self._vector_variables:
                continue
            term = value if coefficient == 1 else ops.binary("arith.muli", value, ops.index(coefficient))
            total = term if total is None else ops.binary("arith.addi", total, term)
        if total is None:
            return ops.index(position.constant)
        return ops.binary("arith.addi", total, ops.index(position.constant)) if position.constant else total

    def _lane_stride(self, position: Linear) -> int:
        return 0 if self.lane is None else position.coefficient(self.lane)

    def _varies(self, position: Linear) -> bool:
        return self._lane_stride(position) != 0 or any(v in self._vector_variables for v, _ in position.terms)

    def integer(self, position: Linear, element: ir.Type) -> ir.Value:
        """`position` as an integer of type `element`, a vector if it varies over the lanes."""
        base = ops.op("arith.index_cast", [self._uniform(position)], element)
        return self._lanes_of(position, base, element) if self._varies(position) else base

    def _lanes_of(self, position: Linear, base: ir.Value, element: ir.Type) -> ir.Value:
        total = ops.splat(base, self.width)
        if stride := self._lane_stride(position):
            total = ops.binary("arith.addi", total, self._steps(element, stride))
        for variable, coefficient in position.terms:
            if variable in self._vector_variables:
                term = self._vector_variables[variable]
                factor = ops.constant(term.type, coefficient)
                total = ops.binary("arith.addi", total, ops.binary("arith.muli", term, factor))
        return total

    def checked_index(self, found: ir.Value, size: int) -> Variable:
        """A new variable for the i64 `found`; out of `0..size` sets the status and reads 0."""
        zero = ops.constant(found.type, 0)
        inside = ops.cmpi("ult", found, ops.constant(found.type, size))
        if self.status is not None:
            self._report(inside)
        found = ops.select(inside, found, zero)
        variable = -1 - len(self._vector_variables) - len(self.variables)
        if isinstance(found.type, ir.VectorType):
            self._vector_variables[variable] = found
        else:
            self.variables[variable] = ops.op("arith.index_cast", [found], ops.index_type())
        return variable

    def _report(self, inside: ir.Value) -> None:
        one = ops.constant(ir.IntegerType.get_signless(1), 1)
        if isinstance(inside.type, ir.VectorType):
            if self.mask is not None:
                absent = ops.binary("arith.xori", self.mask, ops.constant(self.mask.type, 1))
                inside = ops.binary("arith.ori", inside, absent)
            inside = ops.op("vector.reduction", [inside], one.type, {"kind": ir.Attribute.parse("#vector.kind<and>")})
        with ops.if_then(ops.binary("arith.xori", inside, one)):
            code = ops.constant(ir.IntegerType.get_signless(64), 1)
            ops.op("memref.store", [code, self.status, ops.index(0)], None)  # type: ignore[list-item]

    # ---- loads and stores ----

    def load(self, number: int, position: Linear, element: str, guards: Sequence[ir.Value] = ()) -> ir.Value:
        """Element `position` of buffer `number`, in register type. Under a false guard the address may be out of range."""
        buffer = self.buffers[number]
        if not self._varies(position):
            at = self._uniform(position)
            if guards:
                at = self._clamped(at, buffer)
            raw = ops.op("memref.load", [buffer, at], buffer.type.element_type)
        else:
            raw = self._load_vector(buffer, position, guards)
        return _from_storage(raw, element)

    @staticmethod
    def _clamped(at: ir.Value, buffer: ir.Value) -> ir.Value:
        size = ir.MemRefType(buffer.type).shape[0]
        at = ops.binary("arith.maxsi", at, ops.index(0))
        return ops.binary("arith.minsi", at, ops.index(size - 1))

    def _load_vector(self, buffer: ir.Value, position: Linear, guards: Sequence[ir.Value]) -> ir.Value:
        element = ir.MemRefType(buffer.type).element_type
        type_ = ops.vector_type(self.width, element)
        mask = self.mask
        for guard in guards:
            lanes = self.as_vector(guard)
            mask = lanes if mask is None else ops.binary("arith.andi", mask, lanes)
        gathered = any(v in self._vector_variables for v, _ in position.terms)
        if not gathered and self._lane_stride(position) == 1:
            at = self._uniform(position)
            if mask is None:
                return ops.op("vector.load", [buffer, at], type_)
            rest = ops.constant(type_, 0)
            return ops.op("vector.maskedload", [buffer, at, mask, rest], type_)
        if not gathered and self._lane_stride(position) == -1:
            return self._load_reversed(buffer, position, type_, mask)
        index = ops.element_type("i64")
        base = ops.op("arith.index_cast", [self._uniform(position)], index)
        lanes = self._lanes_of(position, base, index)
        if mask is None:
            mask = self._every_lane()
        rest = ops.constant(type_, 0)
        return ops.op("vector.gather", [buffer, ops.index(0), lanes, mask, rest], type_)

    def _load_reversed(self, buffer: ir.Value, position: Linear, type_: ir.Type, mask: ir.Value | None) -> ir.Value:
        order = ir.DenseI64ArrayAttr.get(list(range(self.width - 1, -1, -1)))

        def flip(value: ir.Value) -> ir.Value:
            return ops.op("vector.shuffle", [value, value], value.type, {"mask": order})

        at = ops.binary("arith.subi", self._uniform(position), ops.index(self.width - 1))
        if mask is None:
            return flip(ops.op("vector.load", [buffer, at], type_))
        rest = ops.constant(type_, 0)
        return flip(ops.op("vector.maskedload", [buffer, at, flip(mask), rest], type_))

    def prefetch(self, number: int, position: Linear) -> None:
        """Start to bring element `position` of buffer `number` into the cache; it may lie past the end."""
        attributes = {
            "isWrite": ir.BoolAttr.get(False),
            "isDataCache": ir.BoolAttr.get(True),
            "localityHint": ir.IntegerAttr.get(ops.element_type("i32"), 3),
        }
        ops.op("memref.prefetch", [self.buffers[number], self._uniform(position)], None, attributes)

    def store(self, number: int, position: Linear, value: ir.Value, element: str) -> None:
        """Write `value` (register type) to buffer `number`; a lane stride of 0 writes one scalar."""
        buffer = self.buffers[number]
        at = self._uniform(position)
        if self.lane is None or not self._lane_stride(position):
            ops.op("memref.store", [_to_storage(value, element), buffer, at], None)
            return
        value = _to_storage(self.as_vector(value), element)
        if self._lane_stride(position) != 1:
            index = ops.element_type("i64")
            lanes = self._lanes_of(position, ops.op("arith.index_cast", [at], index), index)
            mask = self._every_lane() if self.mask is None else self.mask
            ops.op("vector.scatter", [buffer, ops.index(0), lanes, mask, value], None)
        elif self.mask is not None and _is_first_lane(self.mask):
            # LLVM makes one scalar store of it too, but of the width that the value had before it was truncated.
            first = ops.op(
                "vector.extract",
                [value],
                ir.VectorType(value.type).element_type,
                {"static_position": ir.DenseI64ArrayAttr.get([0])},
            )
            ops.op("memref.store", [first, buffer, at], None)
        elif self.mask is not None:
            ops.op("vector.maskedstore", [buffer, at, self.mask, value], None)
        else:
            attributes = {"nontemporal": ir.BoolAttr.get(True)} if self.nontemporal else {}
            if self.nontemporal:
                bytes_ = self.width * _bits(ir.MemRefType(buffer.type).element_type) // 8
                attributes["alignment"] = ir.IntegerAttr.get(ops.element_type("i64"), bytes_)
            ops.op("vector.store", [value, buffer, at], None, attributes)


def _is_first_lane(mask: ir.Value) -> bool:
    """Whether `mask` is the constant of the first lane alone."""
    owner = mask.owner
    if isinstance(owner, ir.Block) or owner.name != "arith.constant":
        return False
    lanes = list(ir.DenseIntElementsAttr(owner.attributes["value"]))
    return bool(lanes[0]) and not any(lanes[1:])


def _bits(element: ir.Type) -> int:
    return element.width  # type: ignore[attr-defined]


def _from_storage(raw: ir.Value, element: str) -> ir.Value:
    if element == "i1":
        return ops.cmpi("ne", raw, ops.constant(raw.type, 0))
    if elementwise.register_element(element) != element and element != "ui8":
        return ops.op("arith.extf", [raw], ops.like(raw.type, ops.element_type("f32")))
    return raw


def _to_storage(value: ir.Value, element: str) -> ir.Value:
    if element == "i1":
        return ops.op("arith.extui", [value], ops.like(value.type, ops.element_type("i8")))
    if element in ("f16", "bf16"):
        return ops.op("arith.truncf", [value], ops.like(value.type, ops.element_type(element)))
    return value
