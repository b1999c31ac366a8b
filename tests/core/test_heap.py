"""Freed memory goes back to the system."""

import subprocess
import sys

import pytest

CODE = """
import gc
from pymafx_live.core.heap import give_back_freed

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

blocks = [bytes(100_000) for _ in range(1000)]  # below the size at which glibc maps each apart
wall = bytes(100_000)  # keeps the heap's end in use, so that nothing shrinks by itself
del blocks
before = resident()
give_back_freed()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked")
def test_what_was_freed_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50_000_000
