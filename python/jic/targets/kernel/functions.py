"""The transcendental functions, in f32 as polynomials that vectorise, in f64 through the `math` dialect (libm).

A target overrides what it has natively. Errors are of a few units in the last place over the whole range; NaN, infinities and
denormals give what C's functions give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch_mlir import ir

from ..ir import ops

# A number whose tanh the approximation gives as exactly 1.
TANH_ONE = 9.0


class Functions:
    """Emits function values at the insertion point; arguments are f32 or f64 scalars or vectors."""

    def _single(self, x: ir.Value) -> bool:
        return isinstance(ops.scalar_of(x.type), ir.F32Type)

    def exp(self, x: ir.Value) -> ir.Value:
        """Cody-Waite reduction by ln 2 and a polynomial of degree 6 (Cephes' expf)."""
        if not self._single(x):
            return self._exp64(x)
        x = clamp(x, -104.0, 89.0)
        n = round_small(ops.mulf(x, ops.constant(x.type, math.log2(math.e))))
        r = ops.fma(n, ops.constant(x.type, -0.693359375), x)
        r = ops.fma(n, ops.constant(x.type, 2.12194440e-4), r)
        p = horner(
            r, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
        )
        one = ops.constant(x.type, 1.0)
        y = ops.addf(ops.fma(p, ops.mulf(r, r), r), one)
        return self.scale_by_power(y, n)

    def _exp64(self, x: ir.Value) -> ir.Value:
        """The same reduction in f64 with the Taylor polynomial of degree 13 on [-ln2/2, ln2/2] (error below 1e-17)."""
        x = clamp(x, -746.0, 710.0)
        n = round_small(ops.mulf(x, ops.constant(x.type, math.log2(math.e))))
        r = ops.fma(n, ops.constant(x.type, -6.93147180369123816490e-01), x)
        r = ops.fma(n, ops.constant(x.type, -1.90821492927058770002e-10), r)
        p = horner(r, tuple(1.0 / math.factorial(k) for k in range(13, 1, -1)))
        y = ops.addf(ops.fma(p, ops.mulf(r, r), r), ops.constant(x.type, 1.0))
        return self.scale_by_power(y, n)

    def scale_by_power(self, y: ir.Value, n: ir.Value) -> ir.Value:
        """`y * 2**n` for an integral float `n`."""
        return scale_by_power(y, n)

    def exp2(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.exp2", x)

    def expm1(self, x: ir.Value) -> ir.Value:
        """`(u - 1) x / log(u)` with `u = exp(x)` as rounded: near 0 its error cancels (Kahan)."""
        one, minus_one = ops.constant(x.type, 1.0), ops.constant(x.type, -1.0)
        u = self.exp(x)
        less = ops.subf(u, one)
        y = ops.mulf(less, ops.divf(x, self.log(u)))
        y = ops.select(ops.cmpf("oeq", u, ops.constant(x.type, math.inf)), u, y)
        y = ops.select(ops.cmpf("oeq", less, minus_one), minus_one, y)
        return ops.select(ops.cmpf("oeq", u, one), x, y)

    def log(self, x: ir.Value) -> ir.Value:
        """Mantissa in [sqrt(1/2), sqrt(2)) and a polynomial of degree 8 (Cephes' logf)."""
        if not self._single(x):
            return ops.unary("math.log", x)
        integer = ops.element_type("i32")
        number = lambda value: ops.constant(x.type, value)  # noqa: E731
        bits_type = ops.like(x.type, integer)
        tiny = ops.cmpf("olt", x, number(1.17549435e-38))
        scaled = ops.select(tiny, ops.mulf(x, number(8388608.0)), x)
        bits = ops.bitcast(scaled, integer)
        # exponent such that the mantissa lies in [sqrt(1/2), sqrt(2))
        shifted = ops.binary("arith.subi", bits, ops.constant(bits_type, 0x3F3504F3))
        exponent = ops.binary("arith.shrsi", shifted, ops.constant(bits_type, 23))
        mantissa = ops.bitcast(
            ops.binary("arith.subi", bits, ops.binary("arith.shli", exponent, ops.constant(bits_type, 23))),
            ops.element_type("f32"),
        )
        e = ops.op("arith.sitofp", [exponent], x.type)
        e = ops.select(tiny, ops.subf(e, number(23.0)), e)
        m = ops.subf(mantissa, number(1.0))
        z = ops.mulf(m, m)
        p = horner(
            m,
            (
                7.0376836292e-2,
                -1.1514610310e-1,
                1.1676998740e-1,
                -1.2420140846e-1,
                1.4249322787e-1,
                -1.6668057665e-1,
                2.0000714765e-1,
                -2.4999993993e-1,
                3.3333331174e-1,
            ),
        )
        y = ops.mulf(ops.mulf(p, m), z)
        y = ops.fma(e, number(-2.12194440e-4), y)
        y = ops.fma(z, number(-0.5), y)
        y = ops.addf(m, y)
        y = ops.fma(e, number(0.693359375), y)
        inf = number(math.inf)
        y = ops.select(ops.cmpf("oeq", x, inf), inf, y)
        y = ops.select(ops.cmpf("oeq", x, number(0.0)), number(-math.inf), y)
        return ops.select(ops.cmpf("olt", x, number(0.0)), number(math.nan), ops.select(ops.cmpf("uno", x, x), x, y))

    def log2(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.log2", x)

    def log10(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.log10", x)

    def log1p(self, x: ir.Value) -> ir.Value:
        """`log(u) x / (u - 1)` with `u = 1 + x` as rounded: near 0 its error cancels (Kahan)."""
        one = ops.constant(x.type, 1.0)
        u = ops.addf(one, x)
        log = self.log(u)
        y = ops.mulf(log, ops.divf(x, ops.subf(u, one)))
        y = ops.select(ops.cmpf("oeq", u, ops.constant(x.type, math.inf)), log, y)
        return ops.select(ops.cmpf("oeq", u, one), x, y)

    def sqrt(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.sqrt", x)

    def rsqrt(self, x: ir.Value) -> ir.Value:
        return ops.divf(ops.constant(x.type, 1.0), ops.unary("math.sqrt", x))

    def reciprocal(self, x: ir.Value) -> ir.Value:
        return ops.divf(ops.constant(x.type, 1.0), x)

    def sin(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.sin", x)

    def cos(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.cos", x)

    def tan(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.tan", x)

    def asin(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.asin", x)

    def acos(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.acos", x)

    def atan(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.atan", x)

    def sinh(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.sinh", x)

    def cosh(self, x: ir.Value) -> ir.Value:
        return ops.unary("math.cosh", x)

    def atan2(self, y: ir.Value, x: ir.Value) -> ir.Value:
        return ops.binary("math.atan2", y, x)

    def pow(self, x: ir.Value, y: ir.Value) -> ir.Value:
        return ops.binary("math.powf", x, y)

    def tanh(self, x: ir.Value) -> ir.Value:
        """Rational approximation of degree 13/6 (the one of Eigen and XLA), off by up to 5 units in the last place."""
        if not self._single(x):
            return ops.unary("math.tanh", x)
        c = clamp(x, -TANH_ONE, TANH_ONE)
        z = ops.mulf(c, c)
        p = horner(
            z,
            (
                -2.76076847742355e-16,
                2.00018790482477e-13,
                -8.60467152213735e-11,
                5.12229709037114e-08,
                1.48572235717979e-05,
                6.37261928875436e-04,
                4.89352455891786e-03,
            ),
        )
        q = horner(z, (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03))
        # the quotient first: it is about 1 for small x, so that denormals come out as they are
        return ops.mulf(c, ops.divf(p, q))

    def sigmoid(self, x: ir.Value) -> ir.Value:
        one = ops.constant(x.type, 1.0)
        return ops.divf(one, ops.addf(one, self.exp(ops.unary("arith.negf", x))))

    def erf(self, x: ir.Value) -> ir.Value:
        """Rational approximation of degree 13/8 on [-4, 4] (the one of Eigen and XLA)."""
        if not self._single(x):
            return ops.unary("math.erf", x)
        c = clamp(x, -4.0, 4.0)
        z = ops.mulf(c, c)
        p = horner(
            z,
            (
                -2.72614225801306e-10,
                2.77068142495902e-08,
                -2.10102402082508e-06,
                -5.69250639462346e-05,
                -7.34990630326855e-04,
                -2.95459980854025e-03,
                -1.60960333262415e-02,
            ),
        )
        q = horner(
            z,
            (
                -1.45660718464996e-05,
                -2.13374055278905e-04,
                -1.68282697438203e-03,
                -7.37332916720468e-03,
                -1.42647390514189e-02,
            ),
        )
        return ops.divf(ops.mulf(p, c), q)


def horner(x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    """The polynomial with `coefficients`, highest power first."""
    total = ops.constant(x.type, coefficients[0])
    for coefficient in coefficients[1:]:
        total = ops.fma(total, x, ops.constant(x.type, coefficient))
    return total


def clamp(x: ir.Value, low: float, high: float) -> ir.Value:
    """`x` limited to [low, high]; NaN stays NaN. One min and one max instruction."""
    bottom, top = ops.constant(x.type, low), ops.constant(x.type, high)
    x = ops.select(ops.cmpf("olt", x, bottom), bottom, x)
    return ops.select(ops.cmpf("ogt", x, top), top, x)


def round_small(x: ir.Value) -> ir.Value:
    """The nearest integer, as a float, of |x| < 2^22: no conversion, so NaN is harmless."""
    return ops.unary("math.roundeven", x)


def scale_by_power(y: ir.Value, n: ir.Value) -> ir.Value:
    """`y * 2**n` for an integral float `n`, in two steps so that results may overflow or be denormal."""
    single = isinstance(ops.scalar_of(y.type), ir.F32Type)
    # Adding 1.5 * 2^mantissa puts the integer into the low mantissa bits, NaN or not.
    magic = 12582912.0 if single else 6755399441055744.0
    integer = ops.element_type("i32" if single else "i64")
    shift, bias = (23, 127) if single else (52, 1023)
    bits = ops.bitcast(ops.addf(n, ops.constant(n.type, magic)), integer)
    offset = 0x4B400000 if single else 0x4338000000000000
    number = ops.binary("arith.subi", bits, ops.constant(bits.type, offset))
    half = ops.binary("arith.shrsi", number, ops.constant(bits.type, 1))
    rest = ops.binary("arith.subi", number, half)
    for part in (half, rest):
        exponent = ops.binary("arith.addi", part, ops.constant(bits.type, bias))
        power = ops.bitcast(ops.binary("arith.shli", exponent, ops.constant(bits.type, shift)), ops.scalar_of(y.type))
        y = ops.mulf(y, power)
    return y
