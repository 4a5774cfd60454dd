"""The stacks' files, as Pulumi's engines hand them to the program."""

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("local", "dev", "staging", "prod")


def stack_file(stack: str) -> dict[str, Any]:
    """The configuration in a stack's file."""
    raw: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    return raw


def as_engine_hands_it(raw: dict[str, Any]) -> dict[str, str]:
    """Values as text, structured ones as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in raw.items()}
