"""The decision ledger: append-only records in canonical form, chained by hash, kept in a database, and checked."""
