"""Off-policy evaluation: what a strategy would have brought, read from the log of decisions that another one made."""
