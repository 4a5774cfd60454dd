"""JUnit XML, as CI servers read it."""

from xml.etree import ElementTree as Xml

from hypothesis import given
from hypothesis import strategies as st

from cli.reports import as_junit
from tests.cli.reports.samples import clean, finding, hostile, report


def _parsed(what):
    return Xml.fromstring(as_junit.render(what))  # noqa: S314 - our own output


def _case(root, name):
    return next(case for case in root.iter("testcase") if case.get("name") == name)


def test_one_case_a_rule_in_a_suite_a_pack():
    root = _parsed(report())
    assert root.tag == "testsuites"
    assert [suite.get("name") for suite in root] == [
        "plan",
        "stagecraft-cost",
        "stagecraft-security",
        "stagecraft-governance",
    ]
    names = [case.get("name") for case in root.iter("testcase")]
    assert len(names) == len(set(names)) == 7
    assert _case(root, "C11 bucket-has-lifecycle").get("classname") == "stagecraft.prod.stagecraft-cost"


def test_a_broken_rule_fails_once_with_all_its_findings():
    case = _case(_parsed(report()), "C11 bucket-has-lifecycle")
    (failure,) = case.findall("failure")
    assert failure.get("type") == "mandatory"
    assert failure.get("message") == "title of C11: 2 findings"
    assert "lake-raw: it has no lifecycle" in failure.text
    assert "lake-curated: its rule is disabled" in failure.text
    assert failure.text.endswith("Remedy: add one")


def test_what_could_not_be_judged_is_an_error():
    case = _case(_parsed(report()), "S8 policy-is-not-admin")
    assert case.find("failure") is None
    assert "policy is not known yet" in case.find("error").text


def test_remarks_and_waived_findings_pass_and_are_told():
    root = _parsed(report())
    remark = _case(root, "C17 network-fits-stage")
    assert remark.find("failure") is None
    assert remark.find("system-out").text == "advisory: the stack: two NAT gateways"
    waived = _case(root, "S1 bucket-blocks-public-access")
    assert waived.find("failure") is None
    assert waived.find("system-out").text.startswith("waived (growth, until 2027-01-31: migration")


def test_rules_of_later_stages_are_skipped_and_kept_rules_pass():
    root = _parsed(report())
    skipped = _case(root, "G3 personal-data-can-be-erased").find("skipped")
    assert skipped.get("message") == "applies from stage govern"
    assert list(_case(root, "C14 repository-has-lifecycle")) == []


def test_counts_agree_with_the_cases():
    root = _parsed(report())
    for suite in [root, *root]:
        cases = list(suite.iter("testcase"))
        assert int(suite.get("tests")) == len(cases)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute)) == sum(case.find(tag) is not None for case in cases)


def test_the_plan_carries_the_cost_and_fails_with_its_problems():
    properties = {each.get("name"): each.get("value") for each in _parsed(report()).iter("property")}
    assert properties["cost.expected"] == f"{report().cost.estimate.expected}"
    assert properties["cost.unpriced"] == "1"
    failed = _parsed(clean(problems=("a: refused", "b: refused")))
    error = next(iter(failed)).find("testcase/error")
    assert error.get("message") == "a: refused"
    assert error.text == "a: refused\nb: refused"
    assert failed.get("errors") == "1"


def test_a_rule_of_another_pack_has_a_case_too():
    root = _parsed(clean(violations=(finding("", "their-rule", pack="theirs"),)))
    assert _case(root, "their-rule").find("failure") is not None


def test_hostile_text_is_only_text():
    root = _parsed(hostile())
    assert root.get("failures") == "2"


@given(st.text(st.characters(codec=None)))
def test_any_text_makes_well_formed_xml(text):
    _parsed(clean(subject=text, violations=(finding(message=text, urn=text, remedy=text),), problems=(text,)))
