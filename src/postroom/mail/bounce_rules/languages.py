"""The same texts in other languages."""

RULES = ()
