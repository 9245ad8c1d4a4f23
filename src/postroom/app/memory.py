"""How the C library keeps memory: large pieces are given back to the system as soon as they are free.

glibc raises the size from which it does so each time such a piece is freed, to
32 MB; pieces of staged contents then stay in its heaps, which hardly ever
shrink. A fixed size ends that.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""malloc.h of glibc."""
_LARGE_BYTES = 128 * 1024
_ARENAS = 4


def give_large_pieces_back() -> None:
    """Set this for the process; does nothing where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE_BYTES)
    mallopt(_M_ARENA_MAX, _ARENAS)
