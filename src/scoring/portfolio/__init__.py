"""Event tables: their contracts, reading, checking, what was known on a day, and adapters for public data."""
