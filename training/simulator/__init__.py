"""A portfolio whose truth is known: the judge of everything that learns or decides.

No public data joins overdue cards, contact logs and outcomes. This package invents customers with wallets, memories
and moods, lets a bank contact them by a confounded policy, writes the event tables that a bank would have, and keeps
apart, in ``truth/``, what is really true at chosen as-of days: latent willingness, payable capacity, and what each
customer would pay within 30 days under every single action. It is never tuned so that our method wins;
``training/simulator/simulator.md`` says what was tuned to what.
"""

from training.simulator.parameters import worlds
from training.simulator.simulate import simulate

__all__ = ["simulate", "worlds"]
