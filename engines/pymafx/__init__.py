"""PyMAF-X: the network, its files and the engine that runs it on tracked people.

`Network` and `PymafxEngine` need the extra `torch`; they are imported when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymafx_live.engines.pymafx.network import Network

__all__ = ["Network"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pymafx_live.engines.pymafx import network

    return getattr(network, name)
