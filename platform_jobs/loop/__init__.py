"""The steps of the model loop that are no jobs: they judge, ask, shift traffic and undo.

A state machine (components/model_loop.py) puts them in order; each is a call of `steps.handler`.
"""
