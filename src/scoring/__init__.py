"""Scores, decisions and explanations for overdue credit-card accounts.

Data flows one way: portfolio, features, scores, policy, decisions, ledger, explanations. Nothing here reads a clock,
the environment or the network, and nothing here imports ``training``, ``serving``, mlflow or bentoml.
"""

__version__ = "0.1.0"
