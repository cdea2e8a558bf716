"""The features of one account in plain Python: for histories that come in a request, where starting SQL takes longer than the work.

The bulk path (`scoring.features.builder`) is the same definition over whole portfolios. The two are written in different ways, a walk
over events here and window functions there, and tests hold them equal to the last bit: each is the check of the other.
"""
