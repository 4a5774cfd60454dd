"""Fields that moto takes and forgets: they are remembered here and put back into what it shows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.http import HttpResponse

Note = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Lossy:
    """A family of operations on one kind of resource of moto's."""

    service: str
    family: str
    """Names the family in the notes; unique in the service."""
    name: Callable[[dict[str, Any]], str]
    """The resource's name, from the parameters of any of the operations."""
    writes: tuple[str, ...] = ()
    """Operations that set fields: what they set replaces what was set before."""
    replaces: bool = False
    """Whether a write says everything, so that what it doesn't mention is gone."""
    reads: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    wrap: str = ""
    """The member of the reads' results in which the resource lies (for a list: by the resource's name)."""
    identity: Callable[[Context], str] = lambda _context: ""
    """Tells the resource from an earlier one of the same name, where its deletion isn't seen here."""
    noted: Callable[[dict[str, Any]], Note] = dict
    """What to remember of a write's parameters, by the names that the reads use."""

    def operations(self) -> dict[str, Callable[[Context], HttpResponse]]:
        """Who answers which operation."""
        fillers: list[tuple[tuple[str, ...], Callable[[Context], HttpResponse]]] = [
            (self.writes, self._write),
            (self.reads, self._read),
            (self.deletes, self._delete),
        ]
        return {name: filler for names, filler in fillers for name in names}

    def key(self, context: Context) -> tuple[str, ...]:
        """Where the notes on the resource of a call are."""
        name = self.name(context.parameters)
        return self.service, self.family, context.region, name, self.identity(context)

    def _write(self, context: Context) -> HttpResponse:
        response = context.forward()
        if response.status < 300:
            note = {key: value for key, value in self.noted(context.parameters).items() if value is not None}
            before = {} if self.replaces else context.store.notes.get(self.key(context), {})
            context.store.notes[self.key(context)] = before | note
        return response

    def _read(self, context: Context) -> HttpResponse:
        response = context.forward()
        note = context.store.notes.get(self.key(context))
        if response.status >= 300 or not note:
            return response
        result = context.operation.result_of(response)
        shape = context.operation.model.output_shape
        target = result
        for part in filter(None, self.wrap.split(".")):
            target, shape = target.setdefault(part, {}), shape.members[part]
        add_missing(target, note, shape)
        answer = context.operation.answer(result)
        return HttpResponse(answer.status, answer.body, {**response.headers, **answer.headers})

    def _delete(self, context: Context) -> HttpResponse:
        response = context.forward()
        if response.status < 300:
            context.store.notes.pop(self.key(context), None)
        return response


def add_missing(target: dict[str, Any], note: Note, shape: Any) -> None:
    """Adds to `target` what the note has, the shape knows and the target lacks, at every depth."""
    for name, value in note.items():
        member = shape.members.get(name)
        if member is None:
            continue
        known = target.get(name)
        if known is None:
            target[name] = value
        elif member.type_name == "structure" and isinstance(value, dict):
            add_missing(known, value, member)
        elif member.type_name == "list" and member.member.type_name == "structure":
            for place, (each, noted) in enumerate(zip(known, value, strict=False)):
                add_missing(each, noted, member.member)
                known[place] = each
