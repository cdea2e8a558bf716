"""Boosters that stay in memory only as long as they are asked: the tables worked out of them answer most questions.

What is kept of each is its text, packed: a tenth of the booster, and the very text whose hash was checked, so that nothing depends on
a folder that may be gone by the time somebody asks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping

import lightgbm


class StoredBoosters(Mapping[str, lightgbm.Booster]):
    """Boosters by name, from their texts.

    Examples
    --------
    >>> import numpy
    >>> x = numpy.arange(60.0).reshape(-1, 1)
    >>> recipe = {"objective": "binary", "num_leaves": 2, "verbose": -1, "num_threads": 1}
    >>> text = lightgbm.train(recipe, lightgbm.Dataset(x, x[:, 0] > 30), 3).model_to_string()
    >>> stored = StoredBoosters()
    >>> stored.store("one", text)
    >>> stored["one"] is stored["one"]
    True
    >>> stored.let_go(["one"])
    >>> stored["one"] is stored["one"], stored["one"].model_to_string() == text
    (False, True)
    """

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}
        self._in_memory: dict[str, lightgbm.Booster] = {}

    def __getitem__(self, name: str) -> lightgbm.Booster:
        return self._in_memory.get(name) or self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, name: object) -> bool:
        return name in self._packed

    def store(self, name: str, text: str) -> None:
        """Add a booster from LightGBM's text of it; LightGBM's own error where it is none."""
        self._in_memory[name] = lightgbm.Booster(model_str=text)
        self._packed[name] = zlib.compress(text.encode(), 1)

    def let_go(self, names: Iterable[str]) -> None:
        """Keep no more than the texts of some; whoever asks for one reads it anew."""
        for name in names:
            self._in_memory.pop(name, None)

    def _read(self, name: str) -> lightgbm.Booster:
        return lightgbm.Booster(model_str=zlib.decompress(self._packed[name]).decode())
