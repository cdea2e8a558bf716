"""Public data with a known honest ceiling: does the way of training reach it, and does it stop where a leak begins?"""
