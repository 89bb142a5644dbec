"""One BLAS thread for small matrices, on which threads cost far more than they give."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

__all__ = ["one_thread"]

F = TypeVar("F", bound=Callable[..., Any])


@cache
def _controller() -> Any:
    """The libraries loaded; SciPy brings its own BLAS, so it must be there first."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread(function: F) -> F:
    """Run a function with one BLAS thread."""

    @wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        if all(library.num_threads == 1 for library in _controller().lib_controllers):
            return function(*args, **kwargs)
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited  # type: ignore[return-value]
