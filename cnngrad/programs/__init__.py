"""The user's own backward pass, run on many layers: which layers fail, and the mistake behind the failures.

A worker imports this package at each start, so nothing is imported here.
"""
