"""Elementwise ops: every operand and the result have one shape; broadcasting is explicit (`jic.broadcast`).

Semantics are PyTorch's for the op of the same name: `maximum`, `minimum` and `relu` propagate NaN, `round` is half to even,
`mod` takes the divisor's sign and `rem` the dividend's, integer `div` truncates.
"""

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor

COMPARE_PREDICATES = ("eq", "ne", "lt", "le", "gt", "ge")


class ElementwiseOp(JicOp, traits=[ext.Pure]):
    """Shared verifier: one shape, an accepted element type, the element type of the result."""

    accepts = "float, integer"

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        first = cls.check_operands(op)
        out = c.result(op)
        c.expect_shape(out.shape, first.shape, "result")
        c.expect_element(out.element_type, cls.result_element(first.element_type), "result")

    @classmethod
    def check_operands(cls, op: ir.Operation) -> ir.RankedTensorType:
        first = c.operand(op, 0)
        for i in range(1, len(op.operands)):
            other = c.operand(op, i)
            c.expect_shape(other.shape, first.shape, f"operand #{i}")
            c.expect_element(other.element_type, first.element_type, f"operand #{i}")
        element = first.element_type
        kinds = {"float": c.is_float, "integer": c.is_integer, "bool": c.is_bool}
        if not any(is_kind(element) for kind, is_kind in kinds.items() if kind in cls.accepts):
            raise Invalid(f"operand #0 has element type {element}, expected {cls.accepts.replace(', ', ' or ')}")
        return first

    @classmethod
    def result_element(cls, element: ir.Type) -> ir.Type:
        return element


class UnaryOp(ElementwiseOp):
    operand: ext.Operand[Tensor]
    result: ext.Result[Tensor]


class FloatUnaryOp(UnaryOp):
    accepts = "float"


class PredicateOp(UnaryOp):
    accepts = "float, integer, bool"

    @classmethod
    def result_element(cls, element: ir.Type) -> ir.Type:
        return ir.IntegerType.get_signless(1, context=element.context)


class BinaryOp(ElementwiseOp):
    lhs: ext.Operand[Tensor]
    rhs: ext.Operand[Tensor]
    result: ext.Result[Tensor]


class BitwiseOp(BinaryOp):
    accepts = "integer, bool"


# fmt: off
class AbsOp(UnaryOp, name="abs"): ...
class NegOp(UnaryOp, name="neg"): ...
class SignOp(UnaryOp, name="sign"): ...
class ReluOp(UnaryOp, name="relu"): ...
class ExpOp(FloatUnaryOp, name="exp"): ...
class Exp2Op(FloatUnaryOp, name="exp2"): ...
class Expm1Op(FloatUnaryOp, name="expm1"): ...
class LogOp(FloatUnaryOp, name="log"): ...
class Log2Op(FloatUnaryOp, name="log2"): ...
class Log10Op(FloatUnaryOp, name="log10"): ...
class Log1pOp(FloatUnaryOp, name="log1p"): ...
class SqrtOp(FloatUnaryOp, name="sqrt"): ...
class RsqrtOp(FloatUnaryOp, name="rsqrt"): ...
class ReciprocalOp(FloatUnaryOp, name="reciprocal"): ...
class SinOp(FloatUnaryOp, name="sin"): ...
class CosOp(FloatUnaryOp, name="cos"): ...
class TanOp(FloatUnaryOp, name="tan"): ...
class AsinOp(FloatUnaryOp, name="asin"): ...
class AcosOp(FloatUnaryOp, name="acos"): ...
class AtanOp(FloatUnaryOp, name="atan"): ...
class SinhOp(FloatUnaryOp, name="sinh"): ...
class CoshOp(FloatUnaryOp, name="cosh"): ...
class TanhOp(FloatUnaryOp, name="tanh"): ...
class SigmoidOp(FloatUnaryOp, name="sigmoid"): ...
class ErfOp(FloatUnaryOp, name="erf"): ...
class FloorOp(FloatUnaryOp, name="floor"): ...
class CeilOp(FloatUnaryOp, name="ceil"): ...
class RoundOp(FloatUnaryOp, name="round"): ...
class TruncOp(FloatUnaryOp, name="trunc"): ...
class IsnanOp(PredicateOp, name="isnan"): ...
class IsinfOp(PredicateOp, name="isinf"): ...
class LogicalNotOp(PredicateOp, name="logical_not"): ...
class AddOp(BinaryOp, name="add"): ...
class SubOp(BinaryOp, name="sub"): ...
class MulOp(BinaryOp, name="mul"): ...
class DivOp(BinaryOp, name="div"): ...
class RemOp(BinaryOp, name="rem"): ...
class ModOp(BinaryOp, name="mod"): ...
class PowOp(BinaryOp, name="pow"): ...
class MaximumOp(BinaryOp, name="maximum"): accepts = "float, integer, bool"
class MinimumOp(BinaryOp, name="minimum"): accepts = "float, integer, bool"
class Atan2Op(BinaryOp, name="atan2"): accepts = "float"
class AndOp(BitwiseOp, name="and"): ...
class OrOp(BitwiseOp, name="or"): ...
class XorOp(BitwiseOp, name="xor"): ...
class ShlOp(BitwiseOp, name="shl"): accepts = "integer"
class ShrOp(BitwiseOp, name="shr"): accepts = "integer"
class NotOp(UnaryOp, name="not"): accepts = "integer, bool"
# fmt: on


class CompareOp(BinaryOp, name="compare"):
    """`lhs <predicate> rhs`, an i1 tensor. Comparisons with NaN are false, except `ne`."""

    accepts = "float, integer, bool"
    predicate: ir.StringAttr

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        super().check(op)
        c.choice(op, "predicate", COMPARE_PREDICATES)

    @classmethod
    def result_element(cls, element: ir.Type) -> ir.Type:
        return ir.IntegerType.get_signless(1, context=element.context)


class SelectOp(JicOp, name="select", traits=[ext.Pure]):
    """`condition ? on_true : on_false`, elementwise; the condition is an i1 tensor of the same shape."""

    condition: ext.Operand[Tensor]
    on_true: ext.Operand[Tensor]
    on_false: ext.Operand[Tensor]
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        condition, out = c.operand(op, 0, "condition"), c.result(op)
        if not c.is_bool(condition.element_type):
            raise Invalid(f"operand #0 (condition) has element type {condition.element_type}, expected i1")
        c.expect_shape(condition.shape, out.shape, "operand #0 (condition)")
        for i, name in ((1, "on_true"), (2, "on_false")):
            side = c.operand(op, i, name)
            c.expect_shape(side.shape, out.shape, f"operand #{i} ({name})")
            c.expect_element(side.element_type, out.element_type, f"operand #{i} ({name})")


class ConvertOp(JicOp, name="convert", traits=[ext.Pure]):
    """Element type conversion: to bool is `!= 0`, float to integer truncates, integers wrap."""

    operand: ext.Operand[Tensor]
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        c.expect_shape(c.result(op).shape, c.operand(op, 0).shape, "result")


class ConstantOp(JicOp, name="constant", traits=[ext.Pure]):
    """A dense or splat constant: `value` is a dense elements attribute of the result's type."""

    value: Any
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        value = op.attributes["value"]
        if not isinstance(value, (ir.DenseElementsAttr, ir.DenseResourceElementsAttr)):
            raise Invalid(f"attribute 'value' must be dense elements, got {value}")
        if value.type != op.results[0].type:
            raise Invalid(f"attribute 'value' has type {value.type}, expected the result's type {op.results[0].type}")


class IotaOp(JicOp, name="iota", traits=[ext.Pure]):
    """`result[i…] = i_dim`: the index along `dim`, in the result's element type."""

    dim: Any  # i64
    result: ext.Result[Tensor]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        out = c.result(op)
        c.dim(op, "dim", out.rank)
        if c.is_bool(out.element_type):
            raise Invalid("result has element type i1, expected float or integer")
