"""Control flow: rows whose static data holds programs. Every mode transforms these, by the same few rules.

A rule gets the transforms of programs as its argument `transform`, and says in terms of them what becomes of the row:
of values of another payload (`lifted`), in reverse mode (`linearise`), of cotangents (`transpose`). The results are
again rows with programs, so derivatives of any order, batches of them and so on need no further rules.
"""

from mixgrad.rules.branch import cond
from mixgrad.rules.loop import loop
from mixgrad.rules.reversal import reversal

__all__ = ["cond", "loop", "reversal"]
