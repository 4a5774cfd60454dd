"""Pools tried out: a load replayed on the twin's cluster, with spot that comes and goes by a seeded plan.

Times are in simulated hours from the start, unless a name says otherwise.
"""
