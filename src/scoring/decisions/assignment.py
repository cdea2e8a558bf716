"""What an assignment is: accounts choose at most one option each, options use resources, resources are limited.

A resource is anything that runs out or must be used: the contacts of a channel, agent minutes of a morning, visits in a
region, or the contacts that supported customers get at least. One contact may use several, and each account its own amount:
a call to someone who rarely answers takes a minute, a call to someone who does takes six.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

NOBODY: Final = -1
"""The option of an account that is left alone."""


@dataclass(frozen=True)
class Resource:
    """One limit on what all accounts use together.

    Attributes
    ----------
    name : str
    uses : mapping of option (column) to float or array (n_accounts,)
        How much of it one contact by this option uses; options that are not named use none.
    most : float or None
        Never exceeded; None is unlimited.
    least : float
        At least this much is to be used, as far as lawful options reach: a floor, whose price is what it costs.
    """

    name: str
    uses: Mapping[int, float | Floats]
    most: float | None = None
    least: float = 0.0


@dataclass(frozen=True)
class Assignment:
    """Who gets which option, and the papers that prove how good that is.

    Attributes
    ----------
    chosen : array (n_accounts,) of int
        Option of each account, `NOBODY` for none.
    prices : array (n_resources,)
        What one more unit of each resource is worth; 0 where some is left. Negative at a floor: what one unit of it costs.
    used : array (n_resources,)
    value : float
        Sum of the chosen options' values.
    bound : float
        No assignment within the limits is worth more.
    """

    chosen: Places
    prices: Floats
    used: Floats
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """How far the value may be below the best possible, as a share of the bound.

        >>> Assignment(np.array([0]), np.zeros(0), np.zeros(0), 99.0, 100.0).gap
        0.01
        """
        return 0.0 if self.bound <= 0 else max(0.0, (self.bound - self.value) / self.bound)


def contacts_of(limits: Sequence[int | None]) -> list[Resource]:
    """One resource for each limited option: its contacts.

    Examples
    --------
    >>> [(resource.name, resource.most) for resource in contacts_of([10, None, 0])]
    [('contacts 0', 10.0), ('contacts 2', 0.0)]
    """
    return [
        Resource(f"contacts {option}", {option: 1.0}, float(limit))
        for option, limit in enumerate(limits)
        if limit is not None
    ]


@dataclass(frozen=True)
class Uses:
    """The resources as arrays: what compiled code reads.

    Attributes
    ----------
    entry : array (n_resources, n_options) of int
        Where an option's use of a resource stands, -1 where it uses none.
    scale : array (n_entries,)
        Use of one contact, the same for everybody, or the factor of a row of ``table``.
    row : array (n_entries,) of int
        Row of ``table``; -1 where everybody uses the same.
    table : array (n_rows, n_accounts)
    most, least : array (n_resources,)
    """

    entry: Places
    scale: Floats
    row: Places
    table: Floats
    most: Floats
    least: Floats

    def of(self, resource: int, option: int) -> Floats:
        """Use of one resource by one option, one number for each account."""
        place = self.entry[resource, option]
        if place < 0:
            return np.zeros(self.table.shape[1])
        row = self.row[place]
        own = np.ones(self.table.shape[1]) if row < 0 else self.table[row]
        return np.asarray(self.scale[place] * own)

    def take(self, rows: Places, share: float) -> Uses:
        """The same resources for some accounts, with that share of every limit."""
        table = np.ascontiguousarray(self.table[:, rows])
        return Uses(self.entry, self.scale, self.row, table, self.most * share, self.least * share)


def as_arrays(resources: Sequence[Resource], n_accounts: int, n_options: int) -> Uses:
    """Pack resources for the compiled code.

    Examples
    --------
    >>> packed = as_arrays([Resource("minutes", {1: np.array([2.0, 6.0])}, 60.0)], 2, 2)
    >>> packed.of(0, 1).tolist(), packed.entry.tolist()
    ([2.0, 6.0], [[-1, 0]])
    """
    entry = np.full((len(resources), n_options), -1, dtype=np.int64)
    scale: list[float] = []
    row: list[int] = []
    rows: list[Floats] = []
    for place, resource in enumerate(resources):
        for option, use in resource.uses.items():
            entry[place, option] = len(scale)
            same = np.ndim(use) == 0
            scale.append(float(use) if same else 1.0)
            row.append(-1 if same else len(rows))
            if not same:
                rows.append(np.asarray(use, dtype=np.float64))
    return Uses(
        entry,
        np.array(scale, dtype=np.float64),
        np.array(row, dtype=np.int64),
        np.array(rows, dtype=np.float64).reshape(len(rows), n_accounts),
        np.array([np.inf if r.most is None else r.most for r in resources], dtype=np.float64),
        np.array([r.least for r in resources], dtype=np.float64),
    )


def at_prices(values: Floats, resources: Sequence[Resource], prices: Floats) -> Floats:
    """What each option is worth to each account after it has paid for the resources it uses.

    Parameters
    ----------
    values : array (n_accounts, n_options)
    resources : sequence of Resource
    prices : array (n_resources,)

    Returns
    -------
    array (n_accounts, n_options)

    Examples
    --------
    >>> at_prices(np.array([[5.0, 4.0]]), [Resource("minutes", {0: 2.0}, 60.0)], np.array([1.5])).tolist()
    [[2.0, 4.0]]
    """
    left = values.astype(np.float64, copy=True)
    for resource, price in zip(resources, prices, strict=True):
        if price:
            for option, use in resource.uses.items():
                left[:, option] -= price * np.asarray(use)
    return left


def best_options(left: Floats, nothing: Floats | float = 0.0) -> Places:
    """The option that leaves each account most; `NOBODY` where doing nothing is as good. Ties go to the earlier option.

    Parameters
    ----------
    left : array (n_accounts, n_options)
        The result of `at_prices`.
    nothing : array (n_accounts,) or float
        What doing nothing is worth.

    Examples
    --------
    >>> best_options(np.array([[2.0, 4.0], [0.0, -1.0]])).tolist()
    [1, -1]
    """
    if not left.size:
        return np.full(len(left), NOBODY, dtype=np.int64)
    best = left.argmax(axis=1)
    return np.where(left[np.arange(len(left)), best] > nothing, best, NOBODY)


def worth(values: Floats, chosen: Places) -> Floats:
    """What each account's own option is worth; 0 for none.

    >>> worth(np.array([[5.0, 1.0], [4.0, 3.0]]), np.array([1, -1])).tolist()
    [1.0, 0.0]
    """
    if not values.size:
        return np.zeros(len(values))
    return np.where(chosen == NOBODY, 0.0, values[np.arange(len(values)), np.maximum(chosen, 0)])
