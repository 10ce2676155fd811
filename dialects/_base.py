"""The `jic` dialect object and the base class of its operations.

Operations are defined in Python on IRDL (`torch_mlir.dialects.ext`). `JicOp` mends two things of the stock base class:
falsy attributes (an empty array, `false`) are kept, and an op with one variadic operand or result group needs no
`operandSegmentSizes`, so its accessors also work on parsed IR. The variadic group must be the last one. Its values may have
different types (see `_segments.py`).

An op states its invariants in `check(op)`, which raises `Invalid`; the base turns that into one diagnostic that names the
op. `check` runs before IRDL's own checks, so the base first makes sure that the declared operands and attributes are there.
"""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _segments

Tensor = ir.RankedTensorType
Variadicity = ext.Variadicity


class Invalid(Exception):
    """An op breaks an invariant; the message names the operand and says what was expected."""


class Jic(ext.Dialect, name="jic"):
    """The dialect: `jic.*` operations on builtin tensors."""

    _definition = ""

    @classmethod
    def _emit_module(cls) -> ir.Module:
        """The dialect in IRDL. Each context needs it: later ones parse the text, which is faster than building it again."""
        if cls._definition:
            return ir.Module.parse(cls._definition)
        module = super()._emit_module()
        cls._definition = str(module)
        return module


def _check_groups(name: str, fields: list[Any]) -> bool:
    """True if the last field is a variadic group; any other place is a mistake in the op's definition."""
    variadic = [f.variadicity != Variadicity.single for f in fields]
    if any(variadic[:-1]):
        raise TypeError(f"jic.{name}: only the last operand or result group may be variadic")
    return bool(variadic and variadic[-1])


class JicOp(Jic.Operation):
    """Base of every `jic` op. Subclasses declare fields by annotation and may define `check`."""

    # No annotations here: the base class would take them for fields of the op.
    _variadic_operands = _variadic_results = False
    _declared = ([], [], [])

    @classmethod
    def _generate_class_attributes(cls, dialect_name: str, op_name: str, fields: list[Any]) -> None:
        super()._generate_class_attributes(dialect_name, op_name, fields)
        operands, attrs, results, _ = ext.partition_fields(fields)
        cls._variadic_operands = _check_groups(op_name, operands)
        cls._variadic_results = _check_groups(op_name, results)
        cls._declared = (operands, attrs, results)
        if cls._variadic_operands or cls._variadic_results:
            cls.verify_region_invariants = classmethod(lambda cls, op: _segments.clear(op.operation))

    @classmethod
    def _emit_operation(cls) -> None:
        if cls._variadic_operands or cls._variadic_results:
            operands, attrs, results, regions = ext.partition_fields(cls._fields)
            fields = [*_segments.slots(operands), *attrs, *_segments.slots(results), *regions]
            _segments.emit(cls._op_name, fields)
        else:
            super()._emit_operation()

    @classmethod
    def _generate_operand_properties(cls, operands: list[Any]) -> None:
        _group_properties(cls, operands, "operands")

    @classmethod
    def _generate_result_properties(cls, results: list[Any]) -> None:
        _group_properties(cls, results, "results")

    @classmethod
    def _generate_init_method(cls, fields: list[Any]) -> None:
        operands, attrs, results, regions = ext.partition_fields(fields)
        signature = _init_signature(fields)

        def __init__(*args: Any, **kwargs: Any) -> None:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            attributes = {f.name: given[f.name] for f in attrs}
            # `ext.Operation`'s own __init__ is generated per class: go to OpView's.
            super(ext.Operation, given["self"]).__init__(
                cls.OPERATION_NAME,
                cls._ODS_REGIONS,
                None,
                None,
                attributes=attributes,
                results=_flatten(results, [given[f.name] for f in results]),
                operands=_flatten(operands, [given[f.name] for f in operands]),
                successors=None,
                regions=len(regions) or None,
                loc=given["loc"],
                ip=given["ip"],
            )

        __init__.__signature__ = signature  # type: ignore[attr-defined]
        cls.__init__ = __init__  # type: ignore[method-assign]

    @classmethod
    def verify_invariants(cls, op: Any) -> bool:
        """MLIR's hook. Never raises and always returns a bool: anything else ends the process."""
        operation = op.operation
        try:
            cls._check_declared(operation)
            cls.check(operation)
            cls._set_segments(operation)
        except Invalid as invalid:
            operation.location.emit_error(f"'{operation.name}' op {invalid}")
            return False
        except Exception as error:  # a malformed op must be a diagnostic, not a crash
            operation.location.emit_error(f"'{operation.name}' op is malformed: {type(error).__name__}: {error}")
            return False
        return True

    @classmethod
    def _check_declared(cls, op: ir.Operation) -> None:
        operands, attrs, results = cls._declared
        for what, fields, found, variadic in (
            ("operand", operands, len(op.operands), cls._variadic_operands),
            ("result", results, len(op.results), cls._variadic_results),
        ):
            fixed = len(fields) - variadic
            if found < fixed or (found > fixed and not variadic):
                more = "at least " if variadic else ""
                raise Invalid(f"expected {more}{fixed} {what}{'s' * (fixed != 1)}, got {found}")
        present = op.attributes
        for field in attrs:
            if field.name not in present:
                raise Invalid(f"requires attribute '{field.name}'")

    @classmethod
    def _set_segments(cls, op: ir.Operation) -> None:
        """For IRDL's verifier, which runs next; `verify_region_invariants` takes them away again."""
        operands, _, results = cls._declared
        for what, fields, values, variadic in (
            ("operand", operands, op.operands, cls._variadic_operands),
            ("result", results, op.results, cls._variadic_results),
        ):
            if variadic and not _segments.set_sizes(op, what, [v.type for v in values], len(fields) - 1):
                raise Invalid(f"{what} types change more than {_segments.SLOTS} times from one {what} to the next")

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        """Raise `Invalid` if `op` breaks an invariant of its class. The default accepts."""


def _init_signature(fields: list[Any]) -> Signature:
    """Operands, attributes and results in order of declaration, then `loc` and `ip`."""
    names = [f.name for f in fields if not isinstance(f, ext.RegionDef)]
    parameters = [Parameter("self", Parameter.POSITIONAL_ONLY)]
    parameters += [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    parameters += [Parameter(n, Parameter.KEYWORD_ONLY, default=None) for n in ("loc", "ip")]
    return Signature(parameters)


def _flatten(fields: list[Any], values: list[Any]) -> list[Any]:
    flat: list[Any] = []
    for field, value in zip(fields, values, strict=True):
        if field.variadicity == Variadicity.single:
            flat.append(value)
        else:
            flat.extend(value)
    return flat


def _group_properties(cls: type, fields: list[Any], which: str) -> None:
    for i, field in enumerate(fields):
        if field.variadicity == Variadicity.single:
            setattr(cls, field.name, property(lambda self, i=i: getattr(self, which)[i]))
        else:
            setattr(cls, field.name, property(lambda self, i=i: list(getattr(self, which))[i:]))
