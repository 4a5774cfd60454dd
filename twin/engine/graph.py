"""In what order resources may go: whatever needs a resource goes before it."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from twin.engine.deployment import ResourceState

Key = TypeVar("Key", bound=Hashable)


def dependents(resources: Mapping[Key, ResourceState]) -> dict[Key, set[Key]]:
    """For each resource, those of the others that need it to exist."""
    by_urn: dict[str, list[Key]] = {}
    for key, state in resources.items():
        by_urn.setdefault(state.urn, []).append(key)
    needing: dict[Key, set[Key]] = {key: set() for key in resources}
    for key, state in resources.items():
        for urn in state.depends_on():
            for needed in by_urn.get(urn, ()):
                if needed != key:
                    needing[needed].add(key)
    return needing


def run_all(
    resources: Mapping[Key, ResourceState], work: Callable[[Key, ResourceState], None], parallel: int
) -> None:
    """Calls `work` on each resource, side by side, in no particular order."""
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="all") as pool:
        for future in [pool.submit(work, key, state) for key, state in resources.items()]:
            future.result()


def run_in_reverse(
    resources: Mapping[Key, ResourceState], work: Callable[[Key, ResourceState], bool], parallel: int
) -> None:
    """Calls `work` on each resource after all that need it, side by side where that is free.

    `work` returns whether it succeeded; what the failed one needs is then left alone, the rest goes on.
    """
    needing = dependents(resources)
    needs: dict[Key, list[Key]] = {key: [] for key in resources}
    for needed, users in needing.items():
        for user in users:
            needs[user].append(needed)
    waiting = {key: len(users) for key, users in needing.items()}
    ready = [key for key in resources if waiting[key] == 0]
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="delete") as pool:
        running: dict[Future[bool], Key] = {}
        while ready or running:
            for key in ready:
                running[pool.submit(work, key, resources[key])] = key
            ready = []
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                if future.result():
                    for needed in needs[key]:
                        waiting[needed] -= 1
                        if waiting[needed] == 0:
                            ready.append(needed)
