"""`release`: points `live` at an approved version, or back at the previous one.

The next deployment of the stack puts the version that `live` names behind the endpoint: see
docs/architecture.md.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from botocore.exceptions import ClientError

from platform_jobs import registry, settings
from platform_jobs.aws import Clients, is_missing
from platform_jobs.errors import JobError
from platform_jobs.log import event
from platform_jobs.registry import APPROVED
from platform_jobs.settings import Env

NONE: Final = "none"


@dataclass(frozen=True, kw_only=True)
class ReleaseSettings:
    """What `release` reads from its environment."""

    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    group: Annotated[str, Env("STAGECRAFT_MODEL_PACKAGE_GROUP")]
    pointer_prefix: Annotated[str, Env("STAGECRAFT_POINTER_PREFIX")]


@dataclass(frozen=True)
class Pointers:
    """Which versions are released: ARNs, or `none`."""

    live: str
    previous: str


@dataclass(frozen=True)
class PointerNames:
    """The SSM parameters of a model's pointers."""

    live: str
    previous: str

    @classmethod
    def of(cls, prefix: str, model: str) -> "PointerNames":
        """The names by `STAGECRAFT_POINTER_PREFIX` and model."""
        base = f"{prefix.rstrip('/')}/{model}"
        return cls(f"{base}/live", f"{base}/previous")


def read(clients: Clients, names: PointerNames) -> Pointers:
    """Where the pointers point now."""
    return Pointers(_get(clients, names.live), _get(clients, names.previous))


def release(clients: Clients, group: str, names: PointerNames, version_arn: str) -> Pointers:
    """Points `live` at an approved version; what was live becomes `previous`. Twice is the same as once.

    Raises:
        JobError: reason `no-version` or `not-approved`.
    """
    _check(clients, group, version_arn)
    known = read(clients, names)
    if known.live == version_arn:
        return known
    # First where to fall back to: at no moment is the live version forgotten.
    return _write(clients, names, Pointers(version_arn, known.live))


def rollback(clients: Clients, group: str, names: PointerNames) -> Pointers:
    """Swaps `live` and `previous`.

    Raises:
        JobError: reason `no-previous`, or `not-approved` if the previous version has been rejected since.
    """
    known = read(clients, names)
    if known.previous == NONE:
        raise JobError("no-previous", f"{names.previous} names no version: there is nothing to roll back to")
    _check(clients, group, known.previous)
    return _write(clients, names, Pointers(known.previous, known.live))


def clear(clients: Clients, names: PointerNames) -> None:
    """Points both at nothing, where they exist."""
    for name in (names.live, names.previous):
        if _get(clients, name) != NONE:
            _put(clients, name, NONE)


def _check(clients: Clients, group: str, version_arn: str) -> None:
    version = registry.describe(clients, version_arn)
    if version.group != group:
        raise JobError("no-version", f"{version_arn} is not a version of {group}")
    if version.status != APPROVED:
        raise JobError(
            "not-approved",
            f"version {version.number} of {group} is {version.status}: only approved versions are released",
        )


def _get(clients: Clients, name: str) -> str:
    try:
        return clients.ssm.get_parameter(Name=name)["Parameter"].get("Value", NONE)
    except ClientError as error:
        if is_missing(error):
            return NONE
        raise


def _put(clients: Clients, name: str, value: str) -> None:
    clients.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _write(clients: Clients, names: PointerNames, pointers: Pointers) -> Pointers:
    _put(clients, names.previous, pointers.previous)
    _put(clients, names.live, pointers.live)
    event("release", "pointed", live=pointers.live, previous=pointers.previous)
    return pointers


def main(argv: Sequence[str]) -> int:
    """`release [--version ARN] | release --rollback`."""
    parser = argparse.ArgumentParser(prog="platform_jobs release", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--version", help="ARN of an approved version; default: the newest")
    what.add_argument("--rollback", action="store_true", help="back to the previous version")
    arguments = parser.parse_args(argv)
    config = settings.load(ReleaseSettings)
    clients = Clients()
    names = PointerNames.of(config.pointer_prefix, config.model)
    if arguments.rollback:
        pointers = rollback(clients, config.group, names)
    else:
        version = arguments.version or registry.latest(clients, config.group)
        if version is None:
            raise JobError("no-version", f"group {config.group} has no version: run `train` first")
        pointers = release(clients, config.group, names, version)
    sys.stdout.write(json.dumps(pointers.__dict__) + "\n")
    return 0
