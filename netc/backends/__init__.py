"""Ways to run a planned program: `numpy`, the meaning, and `cpu`, compiled by Numba.

A backend is one function, `bind(program, arrays, threads, math) -> run`: `arrays` gives the array of every value,
as the plan placed it, and `run()` runs the program once.  Two values that share memory are
arrays of the same address.
"""
