"""Applies local rewrites until none fires, and the small questions that rewrites ask.

A rewrite is a function from an op with one result to the value that shall stand in its place, or None; it builds new ops
with `jic.dialects.build` (the insertion point is before the op). Nothing is erased while rewrites run, so every wrapper they
see is alive; what they leave unused is erased after each sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from jic.errors import PassError

from ..base import functions, walk

Rewrite = Callable[[ir.Operation], ir.Value | None]
# Sweeps run in program order and follow each replacement at once, so a graph settles in a handful of them.
MAX_SWEEPS = 200

NOT_PURE = {"jic.aten_call", "jic.bail", "jic.loop", "jic.while", "jic.if", "jic.yield", "jic.condition", "jic.launch"}


def apply_rewrites(module: ir.Operation, rewrites: dict[str, Sequence[Rewrite]]) -> bool:
    """Run `rewrites` (by op name without `jic.`) on all functions until nothing changes; true if anything did.

    Raises:
        PassError: the rewrites do not come to an end.
    """
    changed = False
    for _ in range(MAX_SWEEPS):
        fired = _sweep(module, rewrites)
        erase_unused(module)  # also what rewrites built before they gave up
        if not fired:
            return changed
        changed = True
    raise PassError(f"rewrites of {', '.join(sorted(rewrites))} did not settle after {MAX_SWEEPS} sweeps")


def _sweep(module: ir.Operation, rewrites: dict[str, Sequence[Rewrite]]) -> bool:
    changed = False
    for function in functions(module):
        for op in _outside_kernels(function):
            if op.name[:4] != "jic." or op.name[4:] not in rewrites or not used(op.results[0]):
                continue
            current: ir.Operation | None = op
            while current is not None:
                replacement = _first(current, rewrites)
                if replacement is None:
                    break
                changed = True
                current.results[0].replace_all_uses_with(replacement)
                owner = replacement.owner
                current = None if isinstance(owner, ir.Block) else owner.operation
                if current is not None and current.name[4:] not in rewrites:
                    current = None
    return changed


def _outside_kernels(root: ir.Operation) -> list[ir.Operation]:
    """`walk` without the bodies of `jic.fused`: what a template accepts is settled there."""
    found: list[ir.Operation] = []
    for region in root.regions:
        for block in region.blocks:
            for op in block.operations:
                found.append(op.operation)
                if op.operation.name != "jic.fused":
                    found.extend(_outside_kernels(op.operation))
    return found


def _first(op: ir.Operation, rewrites: dict[str, Sequence[Rewrite]]) -> ir.Value | None:
    with ir.InsertionPoint(op), op.location:
        for rewrite in rewrites[op.name[4:]]:
            value = rewrite(op)
            # Types may differ in dynamic dims only; users were built for the old one.
            if value is not None and value != op.results[0] and value.type == op.results[0].type:
                return value
    return None


def erase_unused(module: ir.Operation) -> int:
    """Erase Pure `jic` ops without users, users before what they used; the number of ops erased."""
    erased = 0
    for function in functions(module):
        for op in reversed(walk(function)):
            if is_pure(op) and not any(used(r) for r in op.results):
                op.erase()
                erased += 1
    return erased


def run_upstream(module: ir.Operation, name: str) -> None:
    """Run an upstream pass on all of `module`, without verifying (whoever runs the jic pass does)."""
    with module.context:
        manager = PassManager.parse(f"any({name})")
    manager.enable_verifier(False)
    manager.run(module)


def is_pure(op: ir.Operation) -> bool:
    return op.name.startswith("jic.") and op.name not in NOT_PURE


def used(value: ir.Value) -> bool:
    return next(iter(value.uses), None) is not None


def has_one_use(value: ir.Value) -> bool:
    uses = iter(value.uses)
    return next(uses, None) is not None and next(uses, None) is None


def defining(value: ir.Value, *names: str) -> ir.Operation | None:
    """The op that defines `value`, if it is one of `jic.<names>`."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    return owner.operation if owner.operation.name.removeprefix("jic.") in names else None


def tensor(value: ir.Value) -> ir.RankedTensorType:
    return ir.RankedTensorType(value.type)


def shape(value: ir.Value) -> list[int]:
    return list(tensor(value).shape)


def element(value: ir.Value) -> ir.Type:
    return tensor(value).element_type


def is_static(*values: ir.Value) -> bool:
    return all(tensor(v).has_static_shape for v in values)


def is_float(type_: ir.Type) -> bool:
    return not isinstance(type_, ir.IntegerType)


def is_bool(type_: ir.Type) -> bool:
    return isinstance(type_, ir.IntegerType) and type_.width == 1


def is_unsigned(type_: ir.Type) -> bool:
    return isinstance(type_, ir.IntegerType) and type_.is_unsigned


def ints(op: ir.Operation, name: str) -> list[int]:
    return list(op.attributes[name])


def attribute(op: ir.Operation, name: str) -> Any:
    return op.attributes[name].value


def splat(value: ir.Value) -> Any:
    """The one number that every element of the constant `value` has, or None. Looks through views of a constant."""
    op = defining(value, "constant", "broadcast", "reshape", "transpose")
    while op is not None and op.name != "jic.constant":
        op = defining(op.operands[0], "constant", "broadcast", "reshape", "transpose")
    if op is None:
        return None
    dense = op.attributes["value"]
    if not getattr(dense, "is_splat", False):
        return None
    found = dense.get_splat_value().value
    if isinstance(found, bool) or not is_bool(element(value)):
        return found
    return bool(found)


def by_name(table: Iterable[tuple[str, Rewrite]]) -> dict[str, list[Rewrite]]:
    """Rewrites by op name from (`"add sub"`, rewrite) pairs, in their order."""
    found: dict[str, list[Rewrite]] = {}
    for names, rewrite in table:
        for name in names.split():
            found.setdefault(name, []).append(rewrite)
    return found
