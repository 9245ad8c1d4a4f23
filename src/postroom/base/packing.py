"""Bytes as the database and the spool of copies hold them: compressed."""

import zlib

_SMALL_WINDOW_BYTES = 8 * 1024


def pack(raw: bytes) -> bytes:
    """Return bytes compressed, as columns such as `content.body` and `content.links` hold them."""
    # Level 1: half the time of level 6 for a tenth more bytes. A window and tables that fit
    # a small content: making those of 32 kB takes longer than compressing it.
    window, tables = (13, 5) if len(raw) <= _SMALL_WINDOW_BYTES else (zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    packing = zlib.compressobj(1, zlib.DEFLATED, window, tables)
    return packing.compress(raw) + packing.flush()


def unpack(packed: bytes) -> bytes:
    """Return what `pack` was given. Raises zlib.error for anything else."""
    return zlib.decompress(packed)
