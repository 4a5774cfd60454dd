"""The cluster's programs: built once from the Go modules in `programs/`, and kept outside the checkout."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "STAGECRAFT_CACHE"
SOURCES: Final = Path(__file__).parent / "programs"
_BUILD_SECONDS: Final = 45 * 60
_SHOWN_LINES: Final = 15


class NoGoError(Exception):
    """There is no Go that could build the cluster; the text says what is needed."""


class BuildError(Exception):
    """A program could not be built; the text holds the compiler's last words."""


@dataclass(frozen=True)
class Program:
    """One program: a folder of `programs/` with a go.mod of its own."""

    name: str
    package: str = "."
    """What to build: the folder itself, or a package that its go.mod pins."""

    @property
    def sources(self) -> Path:
        """Its folder."""
        return SOURCES / self.name

    @property
    def needs_go(self) -> tuple[int, ...]:
        """The least version of Go that its go.mod accepts."""
        stated = re.search(r"^go (\S+)$", self._requirements, re.MULTILINE)
        return _version(stated[1]) if stated else (1,)

    @property
    def linker_flags(self) -> str:
        """What is linked in: no symbols, and the version that Kubernetes says it is, which its build sets."""
        flags = ["-s", "-w"]
        stated = re.search(r"k8s\.io/kubernetes v((\d+)\.(\d+)\.\d+)$", self._requirements, re.MULTILINE)
        if stated is not None:
            values = {"gitVersion": f"v{stated[1]}", "gitMajor": stated[2], "gitMinor": stated[3]}
            flags += [f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items()]
        return " ".join(flags)

    @property
    def _requirements(self) -> str:
        return (self.sources / "go.mod").read_text()

    def fingerprint(self) -> str:
        """Changes whenever what would be built changes: sources, pinned versions, the machine's kind."""
        kind = f"{platform.system()} {platform.machine()} {self.package} {self.linker_flags}\n"
        digest = hashlib.sha256(kind.encode())
        for path in sorted(self.sources.iterdir()):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
        return digest.hexdigest()[:16]


PROGRAMS: Final = (
    Program("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Program("karpenter"),
    Program("control-plane"),
)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where built programs are kept: `STAGECRAFT_CACHE`, else a folder of the user's cache."""
    named = environment.get(CACHE_VARIABLE)
    if named:
        return Path(named).absolute() / "cluster"
    caches = environment.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "stagecraft" / "cluster"


def missing(cache: Path | None = None) -> list[Program]:
    """The programs that would have to be built."""
    folder = cache if cache is not None else cache_folder()
    return [program for program in PROGRAMS if not _binary(program, folder).exists()]


def why_not(cache: Path | None = None) -> str | None:
    """Why there can be no cluster here; None if there can be."""
    try:
        _require_go(missing(cache))
    except NoGoError as error:
        return str(error)
    return None


def ensure(say: Callable[[str], None], cache: Path | None = None) -> dict[str, Path]:
    """The programs by name, built if they are not there yet.

    Args:
        say: Told what is being built, in words.
        cache: Where they are kept. Default: `cache_folder()`.

    Raises:
        NoGoError: something has to be built, and no Go here can.
        BuildError: it cannot be built.
    """
    folder = cache if cache is not None else cache_folder()
    _require_go(missing(folder))
    for program in PROGRAMS:
        target = _binary(program, folder)
        if target.exists():
            continue
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _held(folder / f"{program.name}.lock", say, program.name):
            if not target.exists():
                _build(program, target, say)
    return {program.name: _binary(program, folder) for program in PROGRAMS}


def _binary(program: Program, cache: Path) -> Path:
    return cache / f"{program.name}-{program.fingerprint()}"


def _require_go(wanted: list[Program]) -> None:
    if not wanted:
        return
    least = max(program.needs_go for program in wanted)
    need = f"building the twin's cluster needs Go {'.'.join(map(str, least))} or newer"
    if shutil.which("go") is None:
        raise NoGoError(f"{need}, and there is no `go` on PATH")
    told = subprocess.run(
        ["go", "env", "GOVERSION"], capture_output=True, text=True, check=False, env=_build_environment()
    )
    found = told.stdout.strip()
    if not found or _version(found.removeprefix("go")) < least:
        raise NoGoError(f"{need}, and the one on PATH is {found.removeprefix('go') or 'of no known version'}")


def _version(text: str) -> tuple[int, ...]:
    numbers = re.match(r"[0-9.]+", text)
    return tuple(int(part) for part in numbers[0].strip(".").split(".")) if numbers else ()


def _build(program: Program, target: Path, say: Callable[[str], None]) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    say(f"building {program.name} with Go, once; the result is kept in {target.parent}")
    started = time.monotonic()
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-o", str(partial)]
    try:
        done = subprocess.run(
            [*command, f"-ldflags={program.linker_flags}", program.package],
            cwd=program.sources,
            env=_build_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            last = "\n  ".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:])
            raise BuildError(
                f"{program.name} cannot be built:\n  {last}\n"
                "Its modules come from the Go module proxy that `go env GOPROXY` names."
            )
        partial.replace(target)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{program.name} was not built within {_BUILD_SECONDS // 60} minutes") from error
    finally:
        partial.unlink(missing_ok=True)
    say(f"built {program.name} in {time.monotonic() - started:.0f} s")


def _build_environment() -> dict[str, str]:
    """What the build may depend on is in the go.mod and go.sum, and not in the caller's settings."""
    return os.environ | {
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


@contextmanager
def _held(path: Path, say: Callable[[str], None], name: str) -> Iterator[None]:
    """Holds the lock; another command that builds the same is waited for."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another command is building {name}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
