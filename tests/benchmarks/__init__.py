"""How fast this package is, next to the other ways to read a reply: `python -m tests.benchmarks`.

A Space stamps each fragment with its clock, which on Linux is the clock of every process of the
machine; so a client that notes when a fragment arrives knows how late that was.
"""
