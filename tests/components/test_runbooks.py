"""Every alarm has a runbook, every runbook an alarm."""

import re
from pathlib import Path

import pytest

from tests.components.examples import NAMES, make
from tests.components.recording import run
from tests.stacks.files import ROOT

FOLDER = ROOT / "docs" / "runbooks"
RUNBOOKS = sorted(path.name for path in FOLDER.glob("*.md"))
ALARMS = ("MetricAlarm", "CompositeAlarm")
HEADINGS = ["What it means", "How to check", "How to mend"]


@pytest.fixture(scope="module")
def named() -> set[str]:
    """The runbooks that the alarms of all components name, as they are by default."""
    found = set()
    for name in NAMES:
        recording = run(lambda name=name: make(name))
        for kind in ALARMS:
            for alarm in recording.of(kind):
                match = re.search(r"docs/runbooks/(\S+\.md)", alarm.inputs["alarmDescription"])
                if match:
                    found.add(match[1])
                else:
                    assert "https://" in alarm.inputs["alarmDescription"], alarm.name
    return found


def test_every_alarm_has_a_runbook(named):
    assert named
    assert named - set(RUNBOOKS) == set()


def test_every_runbook_has_an_alarm(named):
    assert set(RUNBOOKS) - named == set()


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_runbook_says_what_how_and_how_to_mend(name):
    text = (FOLDER / name).read_text()
    assert text.startswith("# ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    parts = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(len(part.split()) > 8 for part in parts)


@pytest.mark.parametrize("name", RUNBOOKS)
def test_its_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (FOLDER / name).read_text()):
        assert (Path(FOLDER) / target).is_file(), target
