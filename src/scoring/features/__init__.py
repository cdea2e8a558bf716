"""Features: what the event tables say about an overdue account, as known on ``as_of``.

Second stage of the flow. Each family is one plain Ibis function; the registry says what every column means; the builder
compiles them once into one SQL text, which runs the same for a portfolio, for one stored account and for one inline history.
"""
