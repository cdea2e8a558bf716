"""A worker's memory and start: LightGBM without scikit-learn, Ibis only where a query is compiled, and memory that loading used given
back to the system.

LightGBM imports scikit-learn where it is installed, for classes that nothing here uses: 60 MiB and over a second for each process.
Whoever imports scikit-learn itself later still gets it. Ibis with SQLGlot is 30 MiB and a second more; the queries that a worker runs
are kept as text (`scoring.resources.query_text`). Arrow's own allocator keeps tens of MiB once it was used; the system's does not.
"""

from __future__ import annotations

import ctypes
import sys
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import Any, Final

import pyarrow as pa

_LOCK: Final = Lock()


def _import_lightgbm() -> None:
    modules: dict[str, Any] = sys.modules  # None stands for a module that cannot be imported
    if "sklearn" in modules or "lightgbm" in modules:
        return
    modules["sklearn"] = None
    try:
        import lightgbm  # noqa: F401
    finally:
        del modules["sklearn"]


class _WhenUsed(ModuleType):
    """Stands for a module until somebody reads an attribute of it. (importlib's own lazy modules load when imported a second time.)"""

    def __getattr__(self, name: str) -> Any:
        with _LOCK:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _ibis_when_used() -> None:
    if "ibis" not in sys.modules:
        stands_for = _WhenUsed("ibis")
        stands_for.__spec__ = find_spec("ibis")
        sys.modules["ibis"] = stands_for


def give_back() -> None:
    """Return freed memory to the system; where the C library cannot, it stays with the process."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


pa.set_memory_pool(pa.system_memory_pool())
_import_lightgbm()
_ibis_when_used()
