"""Judging resources without a deployment: the real packs, over the real Analyzer service.

What `stagecraft policy eval` and the tests' harness stand on.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from policies.inputs import Judged, read_resources
from policies.levels import pack_config
from policies.packs import PACKS, directory
from policies.runtime import OPEN, RESOURCE_NOTES, STACK_NOTES, WAIVED
from twin.engine.analyzer import Diagnostic, PolicyPack, Remediation, StackInfo, start_policy_packs
from twin.engine.engine_service import EngineServer, EngineService

_NOTES: Final = (RESOURCE_NOTES, STACK_NOTES)
Resources = Sequence[Judged] | list[Any] | Mapping[str, Any]
"""Read already, or as `policies.inputs.read_resources` takes them."""

_ORDER: Final = re.compile(r"([A-Z]*)([0-9]*)")


@dataclass(frozen=True)
class Verdict:
    """What the packs found, sorted by what it means. Each list is in the catalogue's order, then by URN."""

    violations: list[Diagnostic]
    """Rules that are broken, at the rule's level (`mandatory` or `advisory`)."""
    cannot_judge: list[Diagnostic]
    """Rules that hang on a value that is not known, at the level that this counts as."""
    waived: list[Diagnostic]
    """Broken rules that a waiver lets pass."""

    @property
    def ids(self) -> set[str]:
        """The catalogue ids of the violations."""
        return {item.id for item in self.violations}

    @property
    def open_ids(self) -> set[str]:
        """The catalogue ids of what could not be judged."""
        return {item.id for item in self.cannot_judge}

    @property
    def allowed(self) -> bool:
        """Whether nothing mandatory stands against it."""
        return not any(item.level == "mandatory" for item in (*self.violations, *self.cannot_judge))


def verdict(diagnostics: Iterable[Diagnostic]) -> Verdict:
    """Sorts what packs said, ours and other people's."""
    found = Verdict([], [], [])
    for item in sorted(diagnostics, key=_order):
        if item.rule in _NOTES and item.message.startswith(WAIVED):
            found.waived.append(item)
        elif item.message.startswith(OPEN):
            found.cannot_judge.append(item)
        else:
            found.violations.append(item)
    return found


class Evaluator:
    """Our packs, running; judges as many sets of resources as wanted. Close it, or use it with `with`."""

    def __init__(self, packs: Sequence[str | Path] = PACKS, config: Mapping[str, Any] | None = None) -> None:
        """Starts the packs.

        Args:
            packs: Names of ours, or folders of any.
            config: As `policies.levels.pack_config` makes it; default: prod, govern, nothing repaired.

        Raises:
            ValueError: There is no such pack.
            PolicyPackError: A pack did not start.
        """
        directories = [pack if isinstance(pack, Path) else directory(pack) for pack in packs]
        settings = pack_config("prod", "govern", repair=False) if config is None else config
        self._engine = EngineServer(EngineService(lambda *_line: None))
        try:
            self._packs: list[PolicyPack] = start_policy_packs(
                directories, self._engine.address, stack=StackInfo("eval", "eval"), config=settings
            )
        except BaseException:
            self._engine.close()
            raise

    def configure(self, config: Mapping[str, Any]) -> None:
        """Puts another configuration in force."""
        for pack in self._packs:
            pack.configure(config)

    def judge(self, resources: Resources) -> Verdict:
        """What the packs say of these resources (as `policies.inputs` reads them).

        Raises:
            ValueError: The resources cannot be read.
            PolicyPackError: A pack failed.
        """
        return verdict(self.diagnose(resources))

    def diagnose(self, resources: Resources) -> list[Diagnostic]:
        """The same, as the packs said it, pack by pack."""
        judged = _judged(resources)

        def judge_with(pack: PolicyPack) -> list[Diagnostic]:
            found = [finding for item in judged for finding in pack.analyze(item.inputs)]
            return found + pack.analyze_stack(item.outputs for item in judged)

        with ThreadPoolExecutor(max_workers=len(self._packs)) as pool:
            return [finding for found in pool.map(judge_with, self._packs) for finding in found]

    def remediate(self, resources: Resources) -> list[Remediation]:
        """What the packs would rewrite."""
        return [
            change
            for item in _judged(resources)
            for pack in self._packs
            for change in pack.remediate(item.inputs)
        ]

    def close(self) -> None:
        """Ends the packs."""
        for pack in self._packs:
            pack.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _judged(resources: Resources) -> Sequence[Judged]:
    if isinstance(resources, Sequence) and all(isinstance(item, Judged) for item in resources):
        return resources
    return read_resources(resources)


def _order(item: Diagnostic) -> tuple[str, int, str, str]:
    match = _ORDER.match(item.id)
    letters, digits = match.groups() if match else ("", "")
    return (letters or "~", int(digits or 0), item.urn, item.message)
