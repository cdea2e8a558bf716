"""A worker's memory and start: LightGBM without scikit-learn, and memory that loading used given back to the system.

LightGBM imports scikit-learn where it is installed, for classes that nothing here uses: 60 MiB and over a second for each process.
Whoever imports scikit-learn itself later still gets it. Arrow's own allocator keeps tens of MiB once it was used; the system's does not.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pyarrow as pa


def _import_lightgbm() -> None:
    modules: dict[str, Any] = sys.modules  # None stands for a module that cannot be imported
    if "sklearn" in modules or "lightgbm" in modules:
        return
    modules["sklearn"] = None
    try:
        import lightgbm  # noqa: F401
    finally:
        del modules["sklearn"]


def give_back() -> None:
    """Return freed memory to the system; where the C library cannot, it stays with the process."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


pa.set_memory_pool(pa.system_memory_pool())
_import_lightgbm()
