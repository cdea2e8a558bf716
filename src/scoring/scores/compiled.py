"""Compile a function with numba once, and keep the machine code on disk where a folder allows it.

numba keeps its cache beside the source, else in the user's cache folder (``NUMBA_CACHE_DIR`` names another). Where none
of them can be written (a read-only image) the function is compiled in memory at start-up instead: seconds slower once,
never refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Callable[..., Any], signature: str) -> Callable[..., Any]:
    """The function as machine code for one fixed signature, without the interpreter lock.

    No ``fastmath``: sums keep the order they are written in, so a row's result does not depend on its neighbours.

    >>> compiled(lambda x: 2.0 * x, "float64(float64)")(4.0)
    8.0
    """
    try:
        return _compile(function, signature, keep=True)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return _compile(function, signature, keep=False)


def inlined(function: Function) -> Function:
    """Mark a small function as a part of compiled ones; called from Python it stays what it is."""
    mark: Callable[[Function], Function] = register_jitable
    return mark(function)


def _compile(function: Callable[..., Any], signature: str, keep: bool) -> Callable[..., Any]:
    machine_code: Callable[..., Any] = numba.njit(signature, nogil=True, cache=keep, error_model="numpy")(function)
    return machine_code
