"""Formats and rules of mail: bytes and values in, values out. No I/O, clock or random."""
