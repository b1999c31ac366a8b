"""Gives memory back to the system after networks were loaded, or a decoder was let go."""

import ctypes
import gc
import sys


def give_back_freed() -> None:
    """Returns what was freed to the system, where the C library can be asked to (glibc).

    Loading a network frees as much as it keeps, which glibc holds on to: 300 to 500 MB with PyMAF-X.
    """
    gc.collect()
    trim_heap()


def trim_heap() -> None:
    """Returns what has been freed to the system: glibc keeps it in heaps of the threads, which come and go."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
