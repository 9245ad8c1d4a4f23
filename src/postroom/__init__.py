"""Postroom: the email backend that applications run for themselves."""

__version__ = "0.1.0"
