"""What SageMaker's resources have in common: tags, and states that take their time."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Declared, State, found
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

TAGGING: Final = Tagging(add="add_tags", remove="delete_tags", read="list_tags")
_S3: Final = re.compile(r"^s3://[^/]+")


class SageMakerResource(Declared):
    """A resource that may take a while to be what it should be."""

    service = "sagemaker"
    tagging: ClassVar[Tagging | None] = TAGGING
    status: ClassVar[str] = ""
    """The description's member with the status; empty: there is none to wait for."""
    reason: ClassVar[str] = "FailureReason"
    """The description's member that says why it failed."""

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the resource and waits until it works."""
        super().create(op, inputs)
        if self.status:
            self.settle(op, {**inputs, **op.made})
        return None

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Changes the resource and waits until it works again."""
        super().update(op, olds, news, changed)
        if self.status and changed - self.local - {"tags"}:
            self.settle(op, {**olds, **news})

    def describe(self, op: Operation, known: Mapping[str, Any]) -> dict[str, Any] | None:
        """The API's description; None if there is none any more."""
        answer = found(op.call, operation=self.read_call, params=self.named(known))
        return None if answer is None or answer.get(self.status) == "Deleted" else answer

    def described_in(self, op: Operation, answer: Mapping[str, Any]) -> tuple[Any, str]:
        """What was deleted may be told of for a while."""
        data, shape = super().described_in(op, answer)
        return (None if data and data.get(self.status) == "Deleted" else data), shape

    def settle(self, op: Operation, known: Mapping[str, Any]) -> dict[str, Any]:
        """Waits until no change is under way.

        Raises:
            ValueError: the change failed; SageMaker's reason is told.
        """
        latest: dict[str, Any] = {}

        def settled() -> bool:
            answer = self.describe(op, known)
            if answer is None:
                raise ValueError(f"{op.id} went away while it was waited for")
            latest.clear()
            latest.update(answer)
            return not str(answer[self.status]).endswith(("ing", "InProgress"))

        wait_until(settled, f"{op.id} is settled")
        if str(latest[self.status]).endswith("Failed"):
            raise ValueError(
                f"{op.id}: {latest[self.status]}: {latest.get(self.reason) or 'no reason given'}"
            )
        return latest

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the resource and waits until it is gone."""
        super().delete(op, known)
        if self.status:
            wait_until(lambda: self.describe(op, known) is None, f"{op.id} is deleted")


def check_s3(inputs: Mapping[str, Any], path: str, problems: Problems) -> None:
    """Notes a place that is not in S3; `path` may lead into objects."""
    value: Any = inputs
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str) and not _S3.match(value):
        problems.add(path, f"{value!r} is not in S3", "give one such as s3://bucket/prefix")
