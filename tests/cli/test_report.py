"""`stagecraft report`: the page of a deployed stack, and what is said where there is none."""

from pathlib import Path

from tests.cli_driver import LABELLED, Stagecraft, waived, write_project

PROGRAM = """
import pulumi
import pulumi_aws as aws

class Desk(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("trial:index:Desk", name)
        aws.sqs.Queue(f"{name}-in", name="trial-in", opts=pulumi.ResourceOptions(parent=self))

Desk("front")
pulumi.export("secret", pulumi.Output.secret("correct-horse-battery"))
"""


def test_the_command_writes_the_page_of_any_stack(tmp_path: Path, stagecraft: Stagecraft) -> None:
    stagecraft.project = write_project(
        tmp_path / "a project", PROGRAM, {"local": LABELLED + waived("S29"), "dev": LABELLED}
    )
    file = tmp_path / "report.html"
    assert "is not deployed" in stagecraft.run("report", "--out", str(file), code=1).all
    assert "real cloud's" in stagecraft.run("report", "--stack", "dev", code=2).all
    assert "is a folder" in stagecraft.run("report", "--out", str(tmp_path), code=2).all
    assert "no folder" in stagecraft.run("report", "--out", str(tmp_path / "no" / "r.html"), code=2).all
    assert not file.exists()

    stagecraft.run("up", "--yes", "--json")
    told = stagecraft.run("report", "--out", str(file), "--json").object
    assert told["file"] == str(file)
    assert (told["alarms"], told["unknown"]) == ([], [])
    text = file.read_text(encoding="utf-8")
    assert "front" in text
    assert "aws:sqs/queue:Queue" in text
    assert "correct-horse" not in text
    assert [each.name for each in tmp_path.glob(".report*")] == []
