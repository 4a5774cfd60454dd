"""Which operations the gap fillers answer; the gateway asks here before it asks moto."""

from collections.abc import Callable
from functools import partial
from typing import Any

from twin.aws.cloud.gaps import tagging
from twin.aws.cloud.gaps.context import Answer, Context
from twin.aws.cloud.gaps.kinds import Kind
from twin.aws.cloud.gaps.lossy import Lossy
from twin.aws.cloud.gaps.s3_targets import is_filled, is_unknown
from twin.aws.cloud.gaps.store import RecordStore
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.protocol import Call, Operation, not_emulated, signer_of

Raw = Callable[[Context], HttpResponse]


class GapRegistry:
    """The filled operations by service and name."""

    def __init__(self, store: RecordStore) -> None:
        self.store = store
        self._raw: dict[tuple[str, str], Raw] = {}
        self._names: dict[str, set[str]] = {}
        self._tagged: set[str] = set()

    def kind(self, kind: Kind) -> None:
        """Fills the operations of a kind of resource, and the service's tag operations."""
        for name, answer in kind.operations().items():
            self.answer(kind.service, name, answer)
        if kind.arn and kind.service not in self._tagged:
            self._tagged.add(kind.service)
            for names, filler in (
                (tagging.TAG, tagging.tag),
                (tagging.UNTAG, tagging.untag),
                (tagging.LIST, tagging.list_tags),
            ):
                for name in names:
                    self.raw(kind.service, name, filler)

    def lossy(self, lossy: Lossy) -> None:
        """Keeps what moto drops of some operations' parameters."""
        for name, filler in lossy.operations().items():
            self.raw(lossy.service, name, filler)

    def answer(self, service: str, operation: str, answer: Answer) -> None:
        """Fills one operation with a function that gives its result."""
        self.raw(service, operation, lambda context: context.operation.answer(answer(context)))

    def raw(self, service: str, operation: str, filler: Raw) -> None:
        """Fills one operation with a function that gives the whole response."""
        self._raw[service, operation] = filler
        self._names.setdefault(signer_of(service), set()).add(operation)

    def handler(self, call: Call) -> tuple[Operation, Any] | None:
        """Who answers the call, if not moto."""
        names = self._names.get(call.signer)
        if names is None:
            return None
        action = call.action
        if action:
            if action not in names:
                return None
        elif not _may_match(call):
            return None
        operation = call.operation()
        if operation is None:
            return None
        filler = self._raw.get((operation.service, operation.name))
        return None if filler is None else (operation, partial(_fill, self.store, filler))


def _fill(
    store: RecordStore, filler: Raw, operation: Operation, forward: Callable[[], HttpResponse]
) -> HttpResponse:
    return filler(Context(operation, store, forward))


def _may_match(call: Call) -> bool:
    """Whether a REST call is worth looking up; of S3's, which are many, only a few are."""
    if call.signer != "s3":
        return True
    target = call.request.target
    if is_unknown(target) and not target.startswith("/v20180820/"):
        raise not_emulated(call)
    return is_filled(target)
