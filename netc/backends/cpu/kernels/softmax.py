"""Softmax over the last axis, its cross-entropy with integer labels, and their gradients: x is `(rows, C)`."""

# pyright: basic
# Numba gives these functions their types when they are called.

from math import log

from netc.backends.cpu.jit import helper, kernel
from netc.backends.cpu.vmath import exp_of


@helper
def _exponentials(a, out):
    """out = exp(a − max a); returns its sum and the largest."""
    top = a[0]
    for t in range(a.size):
        top = a[t] if a[t] > top or a[t] != a[t] else top
    for t in range(a.size):
        out[t] = exp_of(a[t] - top)
    total = out.dtype.type(0)
    for t in range(out.size):
        total += out[t]
    return total, top


@kernel
def softmax(lo, hi, x, y, c):
    """Rows lo..hi."""
    for row in range(lo, hi):
        out = y[row * c : row * c + c]
        total, _ = _exponentials(x[row * c : row * c + c], out)
        for t in range(c):
            out[t] /= total


@kernel
def softmax_grad(lo, hi, y, g, dx, c):
    """dx = y (g − Σ g y) for rows lo..hi."""
    for row in range(lo, hi):
        a, b, out = y[row * c : row * c + c], g[row * c : row * c + c], dx[row * c : row * c + c]
        total = out.dtype.type(0)
        for t in range(c):
            total += a[t] * b[t]
        for t in range(c):
            out[t] = a[t] * (b[t] - total)


@kernel
def log_softmax(lo, hi, x, y, c):
    """x − log Σ eˣ for rows lo..hi."""
    for row in range(lo, hi):
        a, out = x[row * c : row * c + c], y[row * c : row * c + c]
        total, top = _exponentials(a, out)
        less = log(total)
        for t in range(c):
            out[t] = (a[t] - top) - less


@kernel
def log_softmax_grad(lo, hi, y, g, dx, c):
    """dx = g − e^y Σ g for rows lo..hi."""
    for row in range(lo, hi):
        a, b, out = y[row * c : row * c + c], g[row * c : row * c + c], dx[row * c : row * c + c]
        total = out.dtype.type(0)
        for t in range(c):
            total += b[t]
        for t in range(c):
            out[t] = b[t] - exp_of(a[t]) * total


@kernel
def xent(lo, hi, x, label, loss, p, c):
    """−log softmax(x)[label] `(rows,)` and the softmax, for rows lo..hi; NaN where a label is no class."""
    for row in range(lo, hi):
        a, out, mine = x[row * c : row * c + c], p[row * c : row * c + c], label[row]
        total, top = _exponentials(a, out)
        for t in range(c):
            out[t] /= total
        loss[row] = log(total) - (a[mine] - top) if 0 <= mine < c else loss.dtype.type(float("nan"))


@kernel
def xent_grad(lo, hi, p, label, g, dx, c):
    """(softmax − one-hot) g for rows lo..hi."""
    one = dx.dtype.type(1)
    for row in range(lo, hi):
        a, out, scale, mine = p[row * c : row * c + c], dx[row * c : row * c + c], g[row], label[row]
        for t in range(c):
            out[t] = a[t] * scale
        if 0 <= mine < c:
            out[mine] = (a[mine] - one) * scale


@kernel
def in_top(lo, hi, x, label, y, c, k):
    """1 where fewer than k classes are ahead of the label, of equals the first; rows lo..hi."""
    for row in range(lo, hi):
        a, mine, ahead = x[row * c : row * c + c], label[row], 0
        if 0 <= mine < c:
            for t in range(c):
                ahead += 1 if a[t] > a[mine] or (a[t] == a[mine] and t < mine) else 0
            y[row] = y.dtype.type(1 if ahead < k else 0)
        else:
            y[row] = y.dtype.type(float("nan"))
