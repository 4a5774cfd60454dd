import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from twin.kubernetes.cluster import programs
from twin.kubernetes.cluster.programs import PROGRAMS, BuildError, NoGoError, Program, cache_folder, ensure

BUILDS = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.0; exit; fi
echo "$PWD $*" >> "$GO_CALLS"
while [ "$1" != -o ]; do shift; done
echo "built from $PWD" > "$2"
"""
FAILS = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.0; exit; fi
echo "main.go:7: undefined: thing" >&2
exit 1
"""
OLD = "#!/bin/sh\necho go1.20.1\n"


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Puts a stand-in for Go on PATH, or none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))

    def install(script: str | None) -> None:
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin" if script else str(folder))
        if script:
            (folder / "go").write_text(script)
            (folder / "go").chmod(0o755)

    return install


def test_programs_are_built_once_and_kept_outside_the_checkout(go, tmp_path):
    go(BUILDS)
    said: list[str] = []
    built = ensure(said.append, tmp_path / "cache")
    assert sorted(built) == ["control-plane", "karpenter", "kwok"]
    assert built["kwok"].read_text() == f"built from {programs.SOURCES / 'kwok'}\n"
    calls = (tmp_path / "calls").read_text()
    assert calls.count("-trimpath") == len(PROGRAMS)
    assert ensure(said.append, tmp_path / "cache") == built
    assert (tmp_path / "calls").read_text() == calls
    assert [text.split(" with ")[0] for text in said[::2]] == [f"building {p.name}" for p in PROGRAMS]


def test_what_was_built_needs_no_go(go, tmp_path):
    go(BUILDS)
    built = ensure(lambda _: None, tmp_path / "cache")
    go(None)
    assert ensure(lambda _: None, tmp_path / "cache") == built


def test_two_commands_at_once_build_once(go, tmp_path):
    go(BUILDS.replace("while", "sleep 0.2; while"))
    both = [threading.Thread(target=ensure, args=(lambda _: None, tmp_path / "cache")) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert (tmp_path / "calls").read_text().count("-trimpath") == len(PROGRAMS)


@pytest.mark.parametrize(("script", "why"), [(None, "no `go` on PATH"), (OLD, "the one on PATH is 1.20.1")])
def test_without_a_go_that_can_the_reason_is_told(go, tmp_path, script, why):
    go(script)
    with pytest.raises(NoGoError, match=why):
        ensure(lambda _: None, tmp_path / "cache")
    assert why in (programs.why_not(tmp_path / "cache") or "")
    assert not (tmp_path / "cache").exists()


def test_a_build_that_fails_says_why_and_leaves_nothing(go, tmp_path):
    go(FAILS)
    with pytest.raises(BuildError, match=r"kwok cannot be built:\n  main\.go:7: undefined: thing"):
        ensure(lambda _: None, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["kwok.lock"]


def test_the_cache_is_named_by_the_environment_and_closed_to_others(go, tmp_path):
    home = Path.home() / ".cache" / "stagecraft" / "cluster"
    assert cache_folder({}) == home
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/stagecraft/cluster")
    assert cache_folder({"XDG_CACHE_HOME": "/x", "STAGECRAFT_CACHE": "/y"}) == Path("/y/cluster")
    go(BUILDS)
    ensure(lambda _: None, tmp_path / "cache")
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_another_source_is_another_program(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "SOURCES", tmp_path)
    shutil.copytree(Path(programs.__file__).parent / "programs" / "kwok", tmp_path / "kwok")
    before = Program("kwok").fingerprint()
    assert Program("kwok").fingerprint() == before
    with (tmp_path / "kwok" / "go.sum").open("a") as file:
        file.write("\n")
    assert Program("kwok").fingerprint() != before
