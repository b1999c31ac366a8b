"""numba's compiler for the inner loops of the rendered people: the only part of the project that needs it."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NoReturn

from pymafx_live.core.errors import UsageError


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled when it is first called and kept on disk; it releases the GIL, and may divide by zero.

    Where numba is not installed, calling it raises `UsageError`.
    """
    if find_spec("numba") is None:
        return _missing
    from numba import njit

    return njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def _missing(*_: object) -> NoReturn:
    raise UsageError("rendering people needs the package numba: pip install 'pymafx-live[bench]'.")
