"""All checks of one manifest, in the order in which a server makes them."""

from collections.abc import Mapping
from typing import Any

from twin.kubernetes.checks import defaults, meaning, rules, structure
from twin.kubernetes.kinds import Kind
from twin.providers.problems import Problems


def check(kind: Kind, manifest: Mapping[str, Any], problems: Problems) -> None:
    """Notes everything that is wrong with a manifest.

    Args:
        kind: What its apiVersion and kind name.
        manifest: The object; values may be UNKNOWN.
        problems: Where to note.
    """
    structure.check(kind, manifest, problems)
    meaning.check(kind, manifest, problems)
    # A rule reads fields by their types: over a malformed value it would say nothing that helps.
    if not problems:
        rules.check(kind, defaults.with_defaults(kind, manifest), problems)
