"""What time takes away from an account's choices before capacity is shared out: holds, cadence, waiting for a better day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scoring.decisions.channel_worth import ChannelWorth
from scoring.decisions.decided import Weighed
from scoring.decisions.payday import Waiting
from scoring.decisions.timing import Timing, hold_back
from scoring.scores.scores import Scores


def timed(weighed: Weighed, when: Timing | None, worth: ChannelWorth, scores: Scores) -> tuple[Weighed, Waiting | None]:
    """The choices that are left, and who waits for the usual payment day; everything as it was where no timing is known.

    Chance deals nothing to those who are held back or wait, so their propensity of no contact stays 1.

    Parameters
    ----------
    weighed : Weighed
        Before time had its say.
    when : Timing or None
        Of the same accounts in the same order.
    worth : ChannelWorth
        Its cost and harm are paid on whatever day; its gain grows with a better day.
    scores : Scores

    Returns
    -------
    Weighed, Waiting or None

    Examples
    --------
    Laws in ``tests/decisions/test_held_back.py``.
    """
    if when is None:
        return weighed, None
    held = hold_back(
        weighed.values,
        weighed.treatments,
        weighed.idle_reasons,
        when,
        worth.cost() + worth.harm(),
        np.asarray(scores.table["dpd"], dtype=np.int64),
    )
    free = (held.reasons == "")[:, None] & ~when.too_soon
    return (
        replace(
            weighed,
            values=held.values,
            lawful=weighed.lawful & free,
            treatments=held.treatments,
            idle_reasons=held.reasons,
        ),
        held.waiting,
    )
