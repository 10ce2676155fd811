"""LLVM IR text of MLIR's LLVM (24) for llvmlite's (22): the newer printer writes float literals the older reader lacks.

`+inf`, `-qnan`, `f0x3FB8AA3B` and decimal f32 literals become the classic hexadecimal form. Only tokens that stand where a
literal of a float type stands are touched.
"""

from __future__ import annotations

import re
import struct

_LITERAL = r"[+-]?(?:inf|qnan|s?nan\(0x[0-9A-Fa-f]+\))|f0x[0-9A-Fa-f]+|[+-]?\d+\.\d*(?:[eE][+-]?\d+)?"
_TYPES = "half|bfloat|float|double"
_TYPED = re.compile(rf"\b({_TYPES}) ({_LITERAL})(?![\w.])")
_SECOND = re.compile(
    rf"^(\s+%\S+ = (?:fadd|fsub|fmul|fdiv|frem|fcmp)\b[^\"]*?\b({_TYPES}) [^,]+, )({_LITERAL})(?![\w.])"
)
_PHI = re.compile(rf"^\s+%\S+ = phi\b[a-z ]*? ({_TYPES}) \[")
_INCOMING = re.compile(rf"\[ ({_LITERAL}),")
_EXPONENT = {"half": 5, "bfloat": 8, "float": 8, "double": 11}
_MANTISSA = {"half": 10, "bfloat": 7, "float": 23, "double": 52}


def to_older_syntax(text: str) -> str:
    """`text` with every float literal in the form that LLVM 7 to 24 read."""
    lines = []
    for line in text.split("\n"):
        if any(t in line for t in ("half", "float", "double")):
            if match := _PHI.match(line):
                type_ = match[1]
                line = _INCOMING.sub(lambda m, t=type_: f"[ {_hex(t, m[1])},", line)
            else:
                line = _SECOND.sub(lambda m: m[1] + _hex(m[2], m[3]), line)
                line = _TYPED.sub(lambda m: f"{m[1]} {_hex(m[1], m[2])}", line)
        lines.append(line)
    return "\n".join(lines)


def _bits(type_: str, literal: str) -> int:
    exponent, mantissa = _EXPONENT[type_], _MANTISSA[type_]
    if literal.startswith("f0x"):
        return int(literal[3:], 16)
    negative = literal[0] == "-"
    sign = int(negative) << (exponent + mantissa)
    special = ((1 << exponent) - 1) << mantissa
    word = literal.lstrip("+-")
    if word == "inf":
        return sign | special
    if word == "qnan":
        return sign | special | 1 << (mantissa - 1)
    if "nan(" in word:
        payload = int(word[word.index("(") + 1 : -1], 16)
        return sign | special | payload | (0 if word[0] == "s" else 1 << (mantissa - 1))
    value = float(literal)
    if type_ == "double":
        return struct.unpack("<Q", struct.pack("<d", value))[0]
    if type_ == "half":
        return struct.unpack("<H", struct.pack("<e", value))[0]
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return bits if type_ == "float" else (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def _hex(type_: str, literal: str) -> str:
    bits = _bits(type_, literal)
    if type_ == "half":
        return f"0xH{bits:04X}"
    if type_ == "bfloat":
        return f"0xR{bits:04X}"
    if type_ == "double":
        return f"0x{bits:016X}"
    # a float is written as the double of the same value; a NaN keeps its payload
    if (bits >> 23) & 0xFF == 0xFF:
        return f"0x{(bits >> 31) << 63 | 0x7FF << 52 | (bits & 0x7FFFFF) << 29:016X}"
    value = struct.unpack("<f", struct.pack("<I", bits))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
