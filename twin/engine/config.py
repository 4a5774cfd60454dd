"""Project and stack files, as the Pulumi CLI reads them: `Pulumi.yaml` and `Pulumi.<stack>.yaml`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from twin.engine.secrets import Encryption
from twin.wire import Secret

_STACK_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class ConfigError(Exception):
    """A project or stack file that cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class Project:
    """What `Pulumi.yaml` says."""

    name: str
    root: Path
    program: Path
    stack_folder: Path

    @property
    def program_folder(self) -> Path:
        """The folder of the program: where it runs, and where relative paths in assets start."""
        return self.program if self.program.is_dir() else self.program.parent

    def stack_file(self, stack: str) -> Path:
        """The configuration file of a stack."""
        return self.stack_folder / f"Pulumi.{stack}.yaml"

    def stacks(self) -> list[str]:
        """The stacks that have a configuration file."""
        found = (path.name for path in self.stack_folder.glob("Pulumi.*.yaml"))
        return sorted(name.removeprefix("Pulumi.").removesuffix(".yaml") for name in found)


@dataclass(frozen=True)
class StackConfig:
    """A stack's settings: `project:key` → value; secrets are `Secret`."""

    values: dict[str, Any] = field(default_factory=dict)

    def for_program(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """As the SDK takes them: values as text, structured ones as JSON; and the keys that are secret."""
        texts = {key: _text(_plain(value)) for key, value in self.values.items()}
        return texts, tuple(sorted(key for key, value in self.values.items() if _has_secret(value)))

    def of_providers(self) -> dict[str, dict[str, Any]]:
        """Package → settings of its default provider, as provider plugins take them."""
        grouped: dict[str, dict[str, Any]] = {}
        for key, value in sorted(self.values.items()):
            package, _, name = key.partition(":")
            secret, plain = _has_secret(value), _plain(value)
            taken = plain if isinstance(plain, str) else json.dumps(plain)
            grouped.setdefault(package, {})[name] = Secret(taken) if secret else taken
        return grouped


def load_project(root: Path) -> Project:
    """Reads `Pulumi.yaml`. Raises ConfigError."""
    path = root / "Pulumi.yaml"
    raw = _load(path)
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{path}: `name` is missing")
    runtime = raw.get("runtime")
    runtime_name = runtime.get("name") if isinstance(runtime, Mapping) else runtime
    if runtime_name != "python":
        raise ConfigError(f"{path}: runtime {runtime_name!r}; the twin runs python programs")
    return Project(
        name=name,
        root=root,
        program=(root / str(raw.get("main") or ".")).resolve(),
        stack_folder=root / str(raw.get("stackConfigDir") or "."),
    )


def check_stack_name(stack: str) -> str:
    """Returns the name if it is one that Pulumi takes; raises ConfigError."""
    if not _STACK_NAME.fullmatch(stack) or stack in (".", ".."):
        raise ConfigError(f"{stack!r} is not a stack name: use letters, digits, `-`, `_` and `.`")
    return stack


def load_stack(project: Project, stack: str, passphrase: str) -> StackConfig:
    """Reads a stack's file; `secure:` values are opened with the file's own salt. Raises ConfigError."""
    path = project.stack_file(stack)
    if not path.exists():
        known = ", ".join(project.stacks()) or "none"
        raise ConfigError(f"there is no stack {stack!r}: {path} does not exist (stacks here: {known})")
    raw = _load(path)
    config = raw.get("config") or {}
    if not isinstance(config, Mapping):
        raise ConfigError(f"{path}: `config` is not a mapping")
    salt = raw.get("encryptionsalt")
    encryption = Encryption(passphrase, salt) if salt else None
    values: dict[str, Any] = {}
    for key, value in config.items():
        full = key if ":" in str(key) else f"{project.name}:{key}"
        values[str(full)] = _opened(value, encryption, f"{path}: {key}")
    return StackConfig(values)


def _load(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} is not a mapping")
    return raw


def _opened(value: Any, encryption: Encryption | None, place: str) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            if encryption is None:
                raise ConfigError(f"{place} is encrypted, but the file has no `encryptionsalt`")
            return Secret(encryption.decrypt(value["secure"], place))
        return {str(key): _opened(item, encryption, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_opened(item, encryption, f"{place}[{index}]") for index, item in enumerate(value)]
    if hasattr(value, "isoformat"):  # YAML reads an unquoted date as one; to Pulumi it is a text.
        return value.isoformat()
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _has_secret(value: Any) -> bool:
    if isinstance(value, Secret):
        return True
    if isinstance(value, Mapping):
        return any(_has_secret(item) for item in value.values())
    return isinstance(value, list) and any(_has_secret(item) for item in value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
