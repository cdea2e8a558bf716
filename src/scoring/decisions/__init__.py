"""Decisions: which treatment and channel for every account, in which order, under the capacity of each channel.

Fifth stage of the flow: takes scores, gives one action per account. It never contacts anybody and never scores.
"""
