"""How a program is written in Python: expressions, the spelling of each row, statements, and helpers for them."""
