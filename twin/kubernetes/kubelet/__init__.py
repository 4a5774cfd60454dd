"""Runs pods of the platform's own image for real: as processes of this machine, on loopback.

kwok plays every other pod. What is real of these: their environment and files, init containers, probes,
restarts, the time they take to end, and that Services lead to those that are ready.
"""
