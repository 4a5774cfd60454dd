"""The Lambda handlers: `handler` does what the state machine asks, `decided` hears of decisions.

An event of the state machine is `{"step": …}` and what the step needs; its answer is what the execution
keeps. Errors reach the state machine by their class: `NotYetError` is tried again, the rest is not.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from platform_jobs import log, registry, release, review, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.loop import asking, gate, judging, rollout
from platform_jobs.loop.asking import Decision
from platform_jobs.loop.gate import Asked, CanarySettings
from platform_jobs.loop.rollout import Rollout
from platform_jobs.release import PointerNames
from platform_jobs.settings import Env

REVIEWER: Final = "stagecraft-loop"
Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LoopSettings(CanarySettings):
    """What the steps read from their environment."""

    group: Annotated[str, Env("STAGECRAFT_MODEL_PACKAGE_GROUP")]
    pointer_prefix: Annotated[str, Env("STAGECRAFT_POINTER_PREFIX")]
    endpoint: Annotated[str, Env("STAGECRAFT_ENDPOINT")]

    @property
    def pointers(self) -> PointerNames:
        """The model's release pointers."""
        return PointerNames.of(self.pointer_prefix, self.model)


@dataclass(frozen=True, kw_only=True)
class DecisionSettings:
    """What `decided` reads from its environment."""

    lineage_table: Annotated[str, Env("STAGECRAFT_LINEAGE_TABLE")]


def handler(event: Event, _context: object) -> dict[str, Any]:
    """One step of the loop."""
    log.configure()
    config, clients = settings.load(LoopSettings), Clients()
    return _STEPS[event["step"]](clients, config, event)


def decided(event: Event, _context: object) -> dict[str, Any]:
    """EventBridge tells of a version whose approval status changed."""
    log.configure()
    detail = event["detail"]
    decision = Decision(detail["ModelPackageArn"], detail["ModelApprovalStatus"])
    config = settings.load(DecisionSettings)
    return {"told": asking.tell(Clients(), config.lineage_table, decision)}


def _judge(clients: Clients, config: LoopSettings, event: Event) -> dict[str, Any]:
    return asdict(judging.judge(clients, config.group, event["run"]))


def _ask(clients: Clients, config: LoopSettings, event: Event) -> dict[str, Any]:
    asking.ask(clients, config.lineage_table, event["version"], event["token"])
    return {}


def _approve(clients: Clients, config: LoopSettings, event: Event) -> dict[str, Any]:
    version = registry.describe(clients, event["version"])
    if version.status != registry.APPROVED:
        review.approve(
            clients,
            config.group,
            version.arn,
            REVIEWER,
            f"Automatic: {event['reason']}",
            lineage_table=config.lineage_table,
        )
    return {"approved": True}


def _reject(clients: Clients, config: LoopSettings, event: Event) -> dict[str, Any]:
    """A version that was found wanting is not released by the next one who takes the newest."""
    version = registry.describe(clients, event["version"])
    if version.status != registry.REJECTED:
        review.reject(
            clients,
            config.group,
            version.arn,
            REVIEWER,
            event["reason"].strip() or "what failed told no cause",
            lineage_table=config.lineage_table,
            force=True,
        )
    return {"approved": False}


def _begin(clients: Clients, config: LoopSettings, event: Event) -> dict[str, Any]:
    state = rollout.begin(clients, config.endpoint, event["version"], int(event["number"]))
    return {"deployed": False} if state is None else _shown(state)


def _shift(clients: Clients, _config: LoopSettings, event: Event) -> dict[str, Any]:
    state = _state(event)
    return _shown(rollout.shift(clients, state, int(event["percent"]), int(event["largest"])))


def _settle(clients: Clients, _config: LoopSettings, event: Event) -> dict[str, Any]:
    return _shown(rollout.settled(clients, _state(event)))


def _gate(clients: Clients, config: LoopSettings, event: Event) -> dict[str, Any]:
    asked = Asked(
        version=event["version"],
        state=_state(event),
        percent=int(event["percent"]),
        limit=datetime.timedelta(seconds=event["limitSeconds"]),
    )
    return asdict(gate.check(clients, config, asked, datetime.datetime.now(datetime.UTC)))


def _finish(clients: Clients, config: LoopSettings, event: Event) -> dict[str, Any]:
    pointers = release.release(clients, config.group, config.pointers, event["version"])
    rollout.tidy(clients, config.endpoint)
    return asdict(pointers)


def _undo(clients: Clients, _config: LoopSettings, event: Event) -> dict[str, Any]:
    return _shown(rollout.undo(clients, _state(event)))


def _tidy(clients: Clients, config: LoopSettings, _event: Event) -> dict[str, Any]:
    rollout.tidy(clients, config.endpoint)
    return {}


def _state(event: Event) -> Rollout:
    given = dict(event["rollout"])
    if not given.pop("deployed", False):
        raise JobError("no-endpoint", "there is no endpoint to shift traffic on")
    return Rollout(**given)


def _shown(state: Rollout) -> dict[str, Any]:
    return {"deployed": True, **asdict(state)}


_STEPS: Final[dict[str, Callable[[Clients, LoopSettings, Event], dict[str, Any]]]] = {
    "approve": _approve,
    "ask": _ask,
    "begin": _begin,
    "finish": _finish,
    "gate": _gate,
    "judge": _judge,
    "reject": _reject,
    "settle": _settle,
    "shift": _shift,
    "tidy": _tidy,
    "undo": _undo,
}
