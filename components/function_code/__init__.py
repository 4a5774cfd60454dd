"""Code of the functions that components deploy, as text: nothing here is imported by a component."""

from pathlib import Path


def source(name: str) -> str:
    """The code of a function, by its module's name."""
    return (Path(__file__).parent / f"{name}.py").read_text()
