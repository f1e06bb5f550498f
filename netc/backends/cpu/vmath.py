"""exp, tanh, erf and their kin as straight code that LLVM turns into vectors: 32-bit polynomials, 64-bit from
libm.

Polynomials and the splitting of ln 2 are those of Cephes (Moshier, 1992: expf, tanhf); relative error below
3e-7.  erf is a rational function of Eigen's; error below 5e-7 of it.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

from math import erf, exp, log1p, tanh

import numpy as np
from numba import types
from numba.extending import overload

from netc.backends.cpu.jit import exact

_LOG2E = np.float32(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SHIFT = np.float32(
    12582912.0 + 126.0
)  # 1.5 · 2²³ makes the sum's lowest bits an integer; 126 is the bias less 1
_LOWEST, _HIGHEST = np.float32(-87.5), np.float32(88.8)  # where eˣ is 0 and ∞ in 32 bits
_ONE, _TWO, _HALF = np.float32(1), np.float32(2), np.float32(0.5)


@exact
def _exp32(x):
    """eˣ = 2ⁿ eʳ with n = round(x / ln 2); what is below the normal numbers becomes 0."""
    z = _HIGHEST if x > _HIGHEST else x  # noqa: FURB136 - NaN passes, which min and max do not promise
    z = _LOWEST if z < _LOWEST else z  # noqa: FURB136
    shifted = z * _LOG2E + _SHIFT
    n = shifted - _SHIFT
    r = z - n * _LN2_HIGH - n * _LN2_LOW
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    y = p * r * r + r + _ONE
    power = np.int32(np.float32(shifted).view(np.int32) << 23).view(np.float32)  # 2ⁿ⁻¹
    return y * power * _TWO


@exact
def _tanh32(x):
    """x + x³ P(x²) near 0, else 1 − 2 / (e²ˣ + 1)."""
    size = abs(x)
    z = x * x
    p = np.float32(-5.70498872745e-3)
    p = p * z + np.float32(2.06390887954e-2)
    p = p * z + np.float32(-5.37397155531e-2)
    p = p * z + np.float32(1.33314422036e-1)
    p = p * z + np.float32(-3.33332819422e-1)
    near = p * z * x + x
    far = _ONE - _TWO / (_exp32(size + size) + _ONE)
    far = -far if x < np.float32(0) else far
    return far if size > np.float32(0.625) else near


@exact
def _erf32(x):
    """x P(x²) / Q(x²) on −4 … 4, outside of which it is within 2e-8 of −1 or 1."""
    far = np.float32(4)
    x = far if x > far else x  # noqa: FURB136 - NaN passes
    x = -far if x < -far else x  # noqa: FURB136
    z = x * x
    p = np.float32(-2.72614225801306e-10)
    p = p * z + np.float32(2.77068142495902e-08)
    p = p * z + np.float32(-2.10102402082508e-06)
    p = p * z + np.float32(-5.69250639462346e-05)
    p = p * z + np.float32(-7.34990630326855e-04)
    p = p * z + np.float32(-2.95459980854025e-03)
    p = p * z + np.float32(-1.60960333262415e-02)
    q = np.float32(-1.45660718464996e-05)
    q = q * z + np.float32(-2.13374055278905e-04)
    q = q * z + np.float32(-1.68282697438203e-03)
    q = q * z + np.float32(-7.37332916720468e-03)
    q = q * z + np.float32(-1.42647390514189e-02)
    return x * p / q


def erf_of(x):
    """The error function of a kernel's scalar."""
    return erf(x)


def exp_of(x):
    """eˣ of a kernel's scalar."""
    return exp(x)


def tanh_of(x):
    """The hyperbolic tangent of a kernel's scalar."""
    return tanh(x)


@overload(erf_of)
def _erf_of(x):
    return (lambda x: _erf32(x)) if x == types.float32 else (lambda x: erf(x))


@overload(exp_of)
def _exp_of(x):
    return (lambda x: _exp32(x)) if x == types.float32 else (lambda x: exp(x))


@overload(tanh_of)
def _tanh_of(x):
    return (lambda x: _tanh32(x)) if x == types.float32 else (lambda x: tanh(x))


def log1p_of(x):
    """log(1 + x) of a kernel's scalar."""
    return log1p(x)


@overload(log1p_of)
def _log1p_of(x):
    return lambda x: log1p(x)
