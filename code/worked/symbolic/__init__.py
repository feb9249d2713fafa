"""A small proof kernel for deep-learning derivations.

`functions` and `sums` are the language, `zero` and `domain` decide, `definitions` give names their meaning,
`methods` and `derivation` check a chain of displayed steps, `evaluate` and `gates` check the same steps by
numbers, `latex` prints them, `mutate` breaks them on purpose.
"""
