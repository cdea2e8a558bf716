"""A worker's memory and start: LightGBM without scikit-learn, Ibis only where a query is compiled, and memory that loading used given
back to the system.

LightGBM imports scikit-learn where it is installed, for classes that nothing here uses: 60 MiB and over a second for each process.
Whoever imports scikit-learn itself later still gets it. Ibis with SQLGlot is 30 MiB and a second more; the queries that a worker runs
are kept as text (`scoring.resources.query_text`). Arrow's own allocator keeps tens of MiB once it was used; the system's does not.
Threads that each allocate from an arena of their own leave holes in all of them, so there is one. LLVM's pages are read
only while kernels are loaded; they leave the process when the worker is ready.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Final

import pyarrow as pa

_LOCK: Final = Lock()
_DONT_NEED: Final = 4
"""MADV_DONTNEED."""
ONLY_WHILE_LOADING: Final = "libllvmlite.so"
"""Links compiled kernels when they are loaded, and is not read again."""
_ARENAS, _APART_FROM, _KEPT_FREE = -8, -3, -1
"""M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD."""
_LARGE_BLOCK: Final = 2**18
_FREE_BYTES: Final = 2**24


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


def _allocate_from_one_arena() -> None:
    """The C library's settings, where it has them: one arena; large blocks apart, so that they are returned when they are freed."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((_ARENAS, 1), (_APART_FROM, _LARGE_BLOCK), (_KEPT_FREE, _FREE_BYTES)):
            set_option(option, value)


def give_back() -> None:
    """Return freed memory to the system; where the C library cannot, it stays with the process."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def leave_code_unread() -> None:
    """Take LLVM's pages out of this process; what is needed again comes back from the system's cache of the file.

    For the end of a start, before there are other threads. Only mappings that cannot be written to and hold no page of their own are
    taken: nothing is lost. Does nothing where the system does not list mappings (Linux does).
    """
    listed = Path("/proc/self/smaps")
    if listed.is_file():
        advise = ctypes.CDLL(None).madvise
        for start, end in clean_mappings(listed.read_text().splitlines()):
            advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONT_NEED)


def clean_mappings(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Addresses of LLVM's private mappings that cannot be written to and of which no page was ever changed.

    >>> code = ["7f00-7f10 r-xp 00000000 00:00 9  /lib/libllvmlite.so", "Anonymous:             0 kB", "Swap:                  0 kB"]
    >>> relocated = ["7f10-7f20 r--p 00000000 00:00 9  /lib/libllvmlite.so", "Anonymous:             4 kB", "Swap:                  0 kB"]
    >>> swapped = ["7f20-7f30 r--p 00000000 00:00 9  /lib/libllvmlite.so", "Anonymous:             0 kB", "Swap:                  4 kB"]
    >>> heap = ["7f30-7f40 rw-p 00000000 00:00 0  [heap]", "Anonymous:             0 kB", "Swap:                  0 kB"]
    >>> [(hex(start), hex(end)) for start, end in clean_mappings([*code, *relocated, *swapped, *heap])]
    [('0x7f00', '0x7f10')]
    """
    found: tuple[int, int] | None = None
    for line in lines:
        words = line.split()
        if not words[0].endswith(":"):
            start, _, end = words[0].partition("-")
            is_code = words[1] in ("r-xp", "r--p") and len(words) > 5 and words[5].endswith(ONLY_WHILE_LOADING)
            found = (int(start, 16), int(end, 16)) if is_code else None
        elif words[0] == "Anonymous:" and words[1] != "0":
            found = None
        elif words[0] == "Swap:" and words[1] == "0" and found is not None:
            yield found


_allocate_from_one_arena()
pa.set_memory_pool(pa.system_memory_pool())
_import_lightgbm()
_ibis_when_used()
