"""Reliability: what keeps a stack running when something breaks."""
