"""What the service itself must remember between requests and workers: keys, permits, the day's events, answered requests.

Small tables in SQLite (one machine) or PostgreSQL (several), the same code on both. Decisions are not here: they are in the ledger.
"""
