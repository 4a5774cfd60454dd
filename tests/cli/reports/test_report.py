"""What a report says of itself."""

from cli.reports.report import grouped
from tests.cli.reports.samples import BUCKET, WAIVER, clean, finding, report


def test_mandatory_findings_and_open_questions_forbid_and_remarks_do_not():
    assert not report().ok
    assert [item.id for item in report().blocking] == ["C11", "C11", "S8"]
    assert [item.id for item in report().remarks] == ["C17"]
    assert clean().ok
    assert clean(violations=(finding(level="advisory"),)).ok
    assert not clean(violations=(finding(level="remediate"),)).ok
    assert not clean(cannot_judge=(finding(),)).ok
    assert not clean(problems=("a pack crashed",)).ok
    assert clean(waived=(finding(waiver=WAIVER),)).ok


def test_a_finding_tells_its_resource():
    assert (finding().type, finding().name) == ("aws:s3/bucket:Bucket", "lake-raw")
    assert finding(urn="").subject == "the stack"
    assert finding(urn="strange").subject == "strange"
    assert finding(urn=f"{BUCKET}::more").name == "lake-raw::more"


def test_groups_hold_one_rule_at_one_level_what_forbids_first():
    findings = (
        finding("C17", "x", level="advisory"),
        finding(),
        finding(urn="other"),
        finding(level="advisory"),
    )
    groups = grouped(findings)
    assert [(group.first.id, group.first.level, len(group.findings)) for group in groups] == [
        ("C11", "mandatory", 2),
        ("C17", "advisory", 1),
        ("C11", "advisory", 1),
    ]
    assert groups[0].remedies == ("add one",)
