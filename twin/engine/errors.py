"""What can go wrong with a step, in the words that the user is told."""

from twin.engine.events import Op


class StepError(Exception):
    """A step that cannot be done. It is told once; the run ends when what is under way is over."""

    op: Op | None = None
    """What was being done, where that is known."""


class UnsupportedError(StepError):
    """The program asks for something that the twin's engine does not do."""


class HaltedError(Exception):
    """The run is ending: nothing new is begun."""
