"""The report for a terminal."""

from cli.reports.formats import Format
from cli.reports.render import rendered
from cli.reports.report import Comparison, Costs
from tests.cli.reports.samples import clean, finding, hostile, report


def _text(what):
    return rendered(what, Format.TEXT)


def test_it_names_rule_resource_message_and_remedy():
    text = _text(report())
    assert "mandatory C11 stagecraft-cost/bucket-has-lifecycle" in text
    assert "aws:s3/bucket:Bucket lake-raw" in text
    assert "it has no lifecycle" in text
    assert "remedy: add one" in text
    assert text.count("remedy: add one") == 3  # once a rule, not once a resource
    assert "the stack" in text
    assert "S1 aws:s3/bucket:Bucket lake-raw: nothing blocks public access (growth, until 2027-01-31" in text
    last = text.strip().splitlines()[-1]
    assert last == (
        "prod is not allowed: 7 resources, 2 violations, 1 that could not be judged, 1 remark, 1 waived "
        "in 1.2 s"
    )


def test_it_shows_the_cost_with_its_change():
    text = _text(report())
    estimate = report().cost.estimate
    assert f"${estimate.expected:,.2f}" in text
    assert "change against main" in text
    assert "+$" in text
    assert "not in these sums (1):" in text
    assert "% of the budget of $400.00" in text
    assert "newly without a price: aws:braket/job:Job quantum" in text


def test_no_change_and_no_comparison_are_said():
    estimate = report().cost.estimate
    from pricing import diff

    same = _text(report(cost=Costs(estimate, None, Comparison("main", diff(estimate, estimate)))))
    assert "no change against main" in same
    none = _text(report(cost=Costs(estimate, None, Comparison("main", None, "no such stack"))))
    assert "no comparison with main: no such stack" in none


def test_allowed_and_not_judged():
    assert _text(clean()).strip() == "prod is allowed: 7 resources, 0 remarks in 1.2 s"
    failed = _text(clean(problems=("aws:x:Y z: refused",)))
    assert "problem: aws:x:Y z: refused" in failed
    assert "prod could not be judged: 7 resources, 0 violations, 0 remarks, 1 problem" in failed


def test_markup_in_names_stays_text():
    text = _text(
        clean(violations=(finding(message="[bold]not bold[/]", urn="urn:pulumi:a::b::c:d:E::[red]x"),))
    )
    assert "[bold]not bold[/]" in text
    assert "[red]x" in text


def test_a_terminal_obeys_nothing_from_outside():
    text = _text(hostile())
    assert "\x1b" not in text
    assert "\x07" not in text
