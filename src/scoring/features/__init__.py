"""Features: what the event tables say about an overdue account, as known on ``as_of``.

Second stage of the flow. Each family is one plain Ibis function; the registry says what every column means; the builder
compiles them once into one SQL text, which runs the same for a portfolio and for one stored account. `one_account` says the same
in plain Python for histories in a request; each is the check of the other.
"""
