"""`simulate spot`: a stack's own training job under spot interruptions, in a copy of its cloud.

Hours are those of the run that is simulated, seconds those of the wall clock: the run that nobody interrupts
says how many hours a second stands for. Work is counted in the training's own steps.
"""
