"""Which of the state's resources the program's registrations are: by URN, or by an alias."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from twin.engine import urns
from twin.engine.deployment import ResourceState, copy_of
from twin.engine.errors import StepError
from twin.engine.goals import Goal
from twin.engine.run import Run


@dataclass(frozen=True)
class Claim:
    """A registration's place in the state."""

    urn: str
    aliases: tuple[str, ...]
    """The URNs that it may have had."""
    index: int | None = None
    """Where the state has it; None if it does not."""
    old: ResourceState | None = None


@dataclass(frozen=True)
class _Live:
    """A resource that this run has confirmed."""

    index: int
    """Its place among the journal's new ones."""
    aliases: tuple[str, ...]


class Claims:
    """The registrations of one run. Thread-safe."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._journal = run.journal
        self._found = {state.urn: index for index, state in self._journal.base.items() if not state.delete}
        self._known = frozenset(self._found)
        self._live: dict[str, _Live] = {}
        self._seen: set[str] = set()
        self._claimed: set[int] = set()
        self._aliased: dict[str, str] = {}
        self._held: set[int] = set()
        self._mutex = threading.Condition()

    def claim(self, goal: Goal) -> Claim:
        """The place of a new registration. Raises StepError when another one has it."""
        urn = urns.make(self._run.stack, self._run.project, goal.parent, goal.type, goal.name)
        parent_name = urns.Urn.parse(goal.parent).name if goal.parent else ""
        with self._mutex:
            if urn in self._seen:
                raise StepError(
                    f"the program registers {goal.type} {goal.name!r} twice under one parent; "
                    "give one another name"
                )
            if urn in self._aliased:
                raise StepError(f"{self._aliased[urn]} has it as an alias, so it cannot stand beside that")
            self._seen.add(urn)
            above = self._live.get(goal.parent)
            aliases = tuple(
                urns.alias_urns(urn, goal.parent, goal.aliases, above.aliases if above else (), parent_name)
            )
            self._mutex.wait_for(lambda: not self._is_held((urn, *aliases)))
            for candidate in (urn, *aliases):
                index = self._found.pop(candidate, None)
                if index is not None:
                    if candidate != urn:
                        self._aliased[candidate] = urn
                    self._claimed.add(index)
                    return Claim(urn, aliases, index, self._journal.base[index])
                if candidate in self._known:
                    owner = self._aliased.get(candidate, candidate)
                    raise StepError(f"its alias {candidate} is already taken by {owner}; drop one of the two")
            return Claim(urn, aliases)

    def confirm(
        self, claim: Claim, state: ResourceState, *, keep_old: bool = False, end: int | None = None
    ) -> None:
        """Records a registration as done.

        Args:
            claim: Its place.
            state: The record it has now.
            keep_old: What the state had there still stands, and waits for its deletion.
            end: The provider call that is over.
        """
        drop, rewrite = claim.index, None
        if keep_old and claim.index is not None and claim.old is not None:
            drop, rewrite = None, (claim.index, copy_of(claim.old, delete=True))
        index = self._journal.change(
            add=state, drop=drop, rewrite=rewrite, end=end, durable=state is not claim.old
        )
        with self._mutex:
            self._live[claim.urn] = _Live(index, claim.aliases)

    def confirmed(self, urn: str) -> tuple[int, ResourceState] | None:
        """A resource that this run has confirmed, with its place among the journal's new ones."""
        with self._mutex:
            live = self._live.get(urn)
        return (live.index, self._journal.new[live.index]) if live is not None else None

    def renamed(self, urn: str) -> str:
        """What a resource of the state is called in this run."""
        with self._mutex:
            return self._aliased.get(urn, urn)

    def _is_held(self, candidates: Iterable[str]) -> bool:
        return any(self._found.get(urn) in self._held for urn in candidates)

    @contextmanager
    def held(self, indices: Iterable[int]) -> Iterator[set[int]]:
        """Keeps those that are not claimed yet from being claimed meanwhile."""
        with self._mutex:
            held = set(indices) - self._claimed - self._held
            self._held |= held
        try:
            yield held
        finally:
            with self._mutex:
                self._held -= held
                self._mutex.notify_all()

    def unclaimed(self) -> dict[int, ResourceState]:
        """What the state has and the program has not registered yet."""
        with self._mutex:
            return {
                index: state
                for index, state in sorted(self._journal.base.items())
                if index not in self._claimed and not state.delete
            }
