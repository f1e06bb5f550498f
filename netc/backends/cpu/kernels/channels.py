"""What looks along the channels of one pixel: neighbouring channels, their length, the one that a label names.

x is `(rows, C)`; every kernel does rows lo..hi.
"""

# pyright: basic
# Numba gives these functions their types when they are called.

import numpy as np

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.rows import fill


@helper
def _power(s, beta):
    """s^−β; β = 3/4, which is everyone's, by two roots."""
    if beta == s.dtype.type(0.75):
        for t in range(s.size):
            r = np.sqrt(s[t])
            s[t] = s.dtype.type(1) / (r * np.sqrt(r))
    else:
        for t in range(s.size):
            s[t] = s[t] ** -beta


@kernel
def lrn(lo, hi, x, y, s, squares, power, alpha, beta, k, c, size):
    """s = k + α Σ x² over channels c − ⌊size/2⌋ … c + ⌊(size − 1)/2⌋, and y = x s^−β.

    `squares` are C + size − 1 numbers of memory, `power` C.
    """
    fill(squares, 0, c + size - 1, 0)
    for row in range(lo, hi):
        a, b, out = x[row * c : row * c + c], y[row * c : row * c + c], s[row * c : row * c + c]
        for t in range(c):
            squares[size // 2 + t] = a[t] * a[t]
            power[t] = 0
        for d in range(size):
            for t in range(c):
                power[t] += squares[d + t]
        for t in range(c):
            power[t] = k + alpha * power[t]
            out[t] = power[t]
        _power(power, beta)
        for t in range(c):
            b[t] = a[t] * power[t]


@kernel
def lrn_grad(lo, hi, x, s, g, dx, parts, power, total, alpha, beta, c, size):
    """dx = g s^−β − 2αβ x Σ g x s^(−β−1).  `parts` are C + size − 1 numbers of memory, `power` and `total` C."""
    fill(parts, 0, c + size - 1, 0)
    factor = dx.dtype.type(2) * alpha * beta
    for row in range(lo, hi):
        at = row * c
        a, b, d, out = x[at : at + c], s[at : at + c], g[at : at + c], dx[at : at + c]
        for t in range(c):
            power[t] = b[t]
            total[t] = 0
        _power(power, beta)
        for t in range(c):
            parts[(size - 1) // 2 + t] = d[t] * a[t] * power[t] / b[t]
        for k in range(size):
            for t in range(c):
                total[t] += parts[k + t]
        for t in range(c):
            out[t] = d[t] * power[t] - factor * a[t] * total[t]


@kernel
def l2norm(lo, hi, x, y, norm, eps, c):
    """x / max(‖x‖, ε) and ‖x‖."""
    for row in range(lo, hi):
        a, b = x[row * c : row * c + c], y[row * c : row * c + c]
        total = y.dtype.type(0)
        for t in range(c):
            total += a[t] * a[t]
        norm[row] = np.sqrt(total)
        length = max(norm[row], eps)
        for t in range(c):
            b[t] = a[t] / length


@kernel
def l2norm_grad(lo, hi, y, norm, g, dx, eps, c):
    """dx = (g − y Σ g y) / ‖x‖, and g / ε where ‖x‖ ≤ ε."""
    for row in range(lo, hi):
        a, b, out = y[row * c : row * c + c], g[row * c : row * c + c], dx[row * c : row * c + c]
        along, short = dx.dtype.type(0), norm[row] <= eps
        for t in range(c):
            along += a[t] * b[t]
        along = dx.dtype.type(0) if short else along
        length = eps if short else norm[row]
        for t in range(c):
            out[t] = (b[t] - a[t] * along) / length


@kernel
def pick(lo, hi, x, label, y, c):
    """The number at the channel that the label names; NaN where a label is no channel."""
    for row in range(lo, hi):
        mine = label[row]
        y[row] = x[row * c + mine] if 0 <= mine < c else y.dtype.type(float("nan"))


@kernel
def unpick(lo, hi, label, g, dx, c):
    """The number in its channel, zeros beside it."""
    for row in range(lo, hi):
        fill(dx, row * c, c, 0)
        if 0 <= label[row] < c:
            dx[row * c + label[row]] = g[row]
