"""Sizes: whole numbers, and exact closed forms of sizes that are not known yet.

A symbolic size is a sum of whole multiples of atoms and a constant.  An atom is a symbol, or the floor of such a sum
divided by a whole number.  Windows only add constants, divide with floor and, going up, multiply; floors of floors
collapse, ⌊(⌊(H + b) / c⌋ + d) / e⌋ = ⌊(H + b + c·d) / (c·e)⌋, so along a chain of windows a size stays ⌊(H + b) / c⌋.

What a `where` clause says of a symbol goes with it: H = modulus · q + residue, and H ≥ least.  With it floors
dissolve where they divide evenly, and two forms are equal if they have the same slope and agree at one place of each
residue (a form f of period P obeys f(H + P) = f(H) + slope · P, for all H).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import gcd, lcm, prod
from typing import Final

from netc import budget


@dataclass(frozen=True, slots=True)
class Symbol:
    """A size that is not known yet, by its name, with what `where` says of it."""

    name: str
    modulus: int = 1
    residue: int = 0
    least: int = 1

    def __str__(self) -> str:
        return self.name

    def first(self) -> int:
        """The least value it can have."""
        return self.least + (self.residue - self.least) % self.modulus


@dataclass(frozen=True, slots=True)
class Floor:
    """⌊of / by⌋, where nothing of it divides out."""

    of: Form
    by: int

    def __str__(self) -> str:
        plain = not self.of.const and len(self.of.terms) == 1
        return f"floor({self.of}/{self.by})" if plain else f"floor(({self.of})/{self.by})"


@dataclass(frozen=True, slots=True)
class Quotient:
    """A symbol divided by a number that its `where` clause says divides it: exactly H/by."""

    symbol: Symbol
    by: int

    def __str__(self) -> str:
        return f"{self.symbol}/{self.by}"


Atom = Symbol | Floor | Quotient


@dataclass(frozen=True, slots=True)
class Form:
    """Σ multiples of atoms, plus a constant; atoms in the order of their text, no multiple zero."""

    terms: tuple[tuple[int, Atom], ...]
    const: int = 0

    def __str__(self) -> str:
        if len(self.terms) == 1 and self.terms[0][0] == 1 and isinstance(self.terms[0][1], Floor):
            floor = self.terms[0][1]  # all in one floor: ⌊a / c⌋ + b = ⌊(a + b·c) / c⌋
            return str(Floor(Form(floor.of.terms, floor.of.const + self.const * floor.by), floor.by))
        parts: list[str] = []
        for k, atom in self.terms:
            sign = ("-" if k < 0 else "") if not parts else (" - " if k < 0 else " + ")
            parts.append(f"{sign}{'' if abs(k) == 1 else f'{abs(k)}*'}{atom}")
        if self.const:
            parts.append(f" {'+' if self.const > 0 else '-'} {abs(self.const)}")
        return "".join(parts)

    __repr__ = __str__

    def __add__(self, other: Size) -> Size:
        return _form([*self.terms, *as_form(other).terms], self.const + as_form(other).const)

    __radd__ = __add__

    def __sub__(self, other: Size) -> Size:
        return self + as_form(other) * -1

    def __rsub__(self, other: Size) -> Size:
        return as_form(other) - self

    def __mul__(self, k: int) -> Size:
        return _form([(k * a, atom) for a, atom in self.terms], k * self.const)

    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return self * -1

    def __floordiv__(self, by: int) -> Size:
        return floor_div(self, by)


Size = int | Form

MOST_ATOMS: Final = 32  # of a form, those inside floors too: a net that goes down and up again has a few
MOST_BITS: Final = 160  # of a number in a form


class Undecided(Exception):
    """What is asked of a symbolic size depends on its value; the text says on what."""


class TooMuch(Undecided):
    """What is asked of a symbolic size may have an answer, and finding it would take too long; the text says why."""


def symbolic(symbol: Symbol) -> Form:
    """A symbol as a size."""
    return Form(((1, symbol),))


def as_form(size: Size) -> Form:
    """A number as a form without atoms, and a form as it is."""
    return Form((), size) if isinstance(size, int) else size


def _form(terms: list[tuple[int, Atom]], const: int) -> Size:
    """The sum in its one normal order; a plain number where no atom is left.  Raises TooMuch over the limits."""
    total: dict[Atom, int] = {}
    for k, atom in _fractions(terms) if any(isinstance(atom, Quotient) for _, atom in terms) else terms:
        total[atom] = total.get(atom, 0) + k
    kept = tuple((k, atom) for atom, k in sorted(total.items(), key=lambda t: str(t[0])) if k)
    return _limited(Form(kept, const)) if kept else const


def _fractions(terms: list[tuple[int, Atom]]) -> Iterator[tuple[int, Atom]]:
    """The terms with all parts of a symbol in one, as it is reduced: H + 3*H/2 is 5*H/2, and 2*H/2 is H."""
    bys: dict[Symbol, int] = {}
    for _, atom in terms:
        if isinstance(atom, Quotient):
            bys[atom.symbol] = lcm(
                bys.get(atom.symbol, 1), atom.by
            )  # divides the symbol, as each of them does
    total: dict[Symbol, int] = {}
    for k, atom in terms:
        match atom:
            case Symbol():
                total[atom] = total.get(atom, 0) + k * bys.get(atom, 1)
            case Quotient():
                total[atom.symbol] = total.get(atom.symbol, 0) + k * (bys[atom.symbol] // atom.by)
            case Floor():
                yield k, atom
    for symbol, part in total.items():
        by = bys.get(symbol, 1)
        common = gcd(part, by)
        yield part // common, Quotient(symbol, by // common) if by > common else symbol


def _limited(form: Form) -> Form:
    """The form itself, unless it is so long that nobody could read it, nor a proof go through it.

    Every form passes here when it is made, so that what walks over one walks over few atoms.
    """
    if _atoms(form) > MOST_ATOMS:
        raise TooMuch(f"a size would be a formula of more than {MOST_ATOMS} terms")
    if max(form.const, -form.const, *(abs(k) for k, _ in form.terms)) >> MOST_BITS:
        raise TooMuch("a size would be a formula with numbers of more than 48 digits")
    return form


def _atoms(form: Form) -> int:
    return sum(1 + (_atoms(atom.of) if isinstance(atom, Floor) else 0) for _, atom in form.terms)


def floor_div(size: Size, by: int) -> Size:
    """⌊size / by⌋ for by ≥ 1, with all that divides out taken out.

    >>> H = symbolic(Symbol("H"))
    >>> floor_div(floor_div(H + 3, 2) - 1, 2)
    floor((H + 1)/4)
    >>> floor_div(symbolic(Symbol("H", modulus=32)) + 3, 2)
    H/2 + 1
    >>> floor_div(floor_div(symbolic(Symbol("H", modulus=4)), 4) + 1, 2)
    floor((H + 4)/8)
    >>> floor_div(H + floor_div(H, 2), 3)
    floor(H/2)
    """
    if isinstance(size, int):
        return size // by
    if by == 1:
        return size
    if by >> MOST_BITS:
        raise TooMuch("a size would be a formula with numbers of more than 48 digits")
    whole: list[tuple[int, Atom]] = []
    rest: list[tuple[int, Atom]] = []
    shift = size.const
    for k, atom in size.terms:
        exact = _exact(k, atom, by)
        if exact is not None:
            part, left = exact
            whole += part
            shift += left
        else:
            whole.append((k // by, atom))
            rest.append((k % by, atom))
    outside, shift = divmod(shift, by)
    lift = lcm(*(atom.by for _, atom in rest if isinstance(atom, Quotient)))
    if lift > 1:  # H/4 is exact, so ⌊(H/4 + b) / 2⌋ = ⌊(H + 4·b) / 8⌋
        lifted = [_lifted(k, atom, lift) for k, atom in rest]
        return _form(whole, outside) + floor_div(_form(lifted, lift * shift), lift * by)
    if rest:
        common = gcd(by, *(k for k, _ in rest))
        inner, by = Form(tuple((k // common, a) for k, a in rest), shift // common), by // common
        return _form(whole, outside) + _collapsed(inner, by)
    return _form(whole, outside)


def _lifted(k: int, atom: Atom, lift: int) -> tuple[int, Atom]:
    """k · atom · lift, for a lift that takes every quotient away."""
    return (k * lift // atom.by, atom.symbol) if isinstance(atom, Quotient) else (k * lift, atom)


def _exact(k: int, atom: Atom, by: int) -> tuple[list[tuple[int, Atom]], int] | None:
    """k · atom = by · part + left, where that holds exactly."""
    if k % by == 0:
        return [(k // by, atom)], 0
    if isinstance(atom, Symbol) and (k * atom.modulus) % by == 0:
        step = by // gcd(by, k)  # divides the modulus, so (H − residue % step) / step is whole
        left = atom.residue % step
        if left == 0:
            return [(k * step // by, Quotient(atom, step))], 0
    if isinstance(atom, Quotient):
        step = atom.by * (by // gcd(by, k))
        if atom.symbol.modulus % step == 0 and atom.symbol.residue % step == 0:
            return [(k * step // atom.by // by, Quotient(atom.symbol, step))], 0
    return None


def _collapsed(inner: Form, by: int) -> Size:
    """⌊inner / by⌋, where a floor inside becomes one with it: ⌊(⌊a / c⌋ + b) / by⌋ = ⌊(a + b·c) / (c·by)⌋."""
    floors = [(k, atom) for k, atom in inner.terms if isinstance(atom, Floor)]
    if len(floors) == 1 and floors[0][0] == 1:
        deeper = floors[0][1]
        beside = inner - Form(((1, deeper),))
        return floor_div(deeper.of + beside * deeper.by, deeper.by * by)
    return Form(((1, Floor(inner, by)),))


# ---- Values, and proofs ------------------------------------------------------------------------------------


def lowest(size: Size) -> int:
    """The least value that a size can have: sizes never fall where a symbol grows."""
    return value(size, {s.name: s.first() for s in symbols(size)})


def symbols(size: Size) -> frozenset[Symbol]:
    """The symbols that a size depends on."""
    if isinstance(size, int):
        return frozenset()
    found: set[Symbol] = set()
    for _, atom in size.terms:
        match atom:
            case Symbol():
                found.add(atom)
            case Quotient():
                found.add(atom.symbol)
            case Floor():
                found |= symbols(atom.of)
    return frozenset(found)


def value(size: Size, at: dict[str, int]) -> int:
    """The size where each symbol has the value that `at` gives its name."""
    if isinstance(size, int):
        return size
    total = size.const
    for k, atom in size.terms:
        match atom:
            case Symbol():
                total += k * at[atom.name]
            case Quotient():
                total += k * (at[atom.symbol.name] // atom.by)
            case Floor():
                total += k * (value(atom.of, at) // atom.by)
    return total


def period(size: Size) -> int:
    """A P with f(H + P) = f(H) + slope · P for every symbol H of the size."""
    out = 1
    for _, atom in as_form(size).terms:
        match atom:
            case Symbol():
                pass
            case Quotient():
                out = lcm(out, atom.by)
            case Floor():
                out = lcm(out, atom.by * period(atom.of))
    return out


MOST_WORK: Final = 100_000  # of one proof: residues that it goes through, times the terms of the formula


@lru_cache(maxsize=4096)
def equal(a: Size, b: Size) -> bool:
    """Whether two sizes are equal for every value that their symbols can have."""
    difference = as_form(a) - b
    if isinstance(difference, int):
        return difference == 0
    return all(value(difference, at) == 0 for at in _places(difference))


def at_least(size: Size, bound: int) -> bool:
    """Whether a size that does not fall where a symbol grows is never below a bound."""
    return lowest(size) >= bound


def constant(size: Size) -> int:
    """The one value of a size whose symbols cancel, if not in its form then at every residue.

    Raises Undecided where it has several.
    """
    if isinstance(size, int):
        return size
    values = (value(size, at) for at in _places(size))
    first = next(values)
    if any(other != first for other in values):
        raise Undecided(f"{size} has no one value")
    return first


def sign(size: Size) -> int:
    """-1 where a size is negative for every value of its symbols, 1 where it never is.

    Raises Undecided where both occur.  Over one period of each symbol the values are gone through; beyond it they
    follow the slopes.
    """
    if isinstance(size, int):
        return 1 if size >= 0 else -1
    values = [value(size, at) for at in _places(size)]
    first = {s.name: s.first() for s in symbols(size)}
    slopes = [_slope(size, s, first) for s in symbols(size)]
    if min(values) >= 0 and min(slopes) >= 0:
        return 1
    if max(values) < 0 and max(slopes) <= 0:
        return -1
    raise Undecided(f"whether {size} is negative depends on its value")


def _slope(size: Size, symbol: Symbol, first: dict[str, int]) -> int:
    """How much a size grows where a symbol grows by its period."""
    step = lcm(period(size), symbol.modulus)
    return value(size, first | {symbol.name: first[symbol.name] + step}) - value(size, first)


def _places(size: Size) -> Iterator[dict[str, int]]:
    """One place of each residue of each symbol, and the next period of each, which shows the slope.

    Raises TooMuch where they are too many; they are counted before any is made.
    """
    names = sorted(symbols(size), key=lambda s: s.name)
    steps = [lcm(period(size), s.modulus) for s in names]
    cost, count = _atoms(as_form(size)), prod(2 * t // s.modulus for s, t in zip(names, steps, strict=True))
    if count > MOST_WORK // cost:
        raise TooMuch(f"{size} has more than {MOST_WORK // cost:,} residues to go through")
    if not budget.spend(budget.RESIDUE * count * cost):
        raise TooMuch("there are too many residues of symbolic sizes in this file to go through")
    each = [range(s.first(), s.first() + 2 * step, s.modulus) for s, step in zip(names, steps, strict=True)]
    for values in product(*each):
        yield {s.name: v for s, v in zip(names, values, strict=True)}
