"""The comment of a pull request."""

import re

from hypothesis import given
from hypothesis import strategies as st

from cli.reports import as_markdown
from cli.reports.as_markdown import LIMIT, code, escaped
from tests.cli.reports.samples import clean, finding, hostile, report


def _outside_code(text):
    return re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def test_it_is_found_again_and_tells_the_verdict_first():
    lines = as_markdown.render(report()).splitlines()
    assert lines[0] == "<!-- stagecraft-check: prod -->"
    assert lines[1] == "## ❌ `prod` is not allowed"
    assert as_markdown.render(clean()).splitlines()[1] == "## ✅ `prod` is allowed"
    assert "could not be judged" in as_markdown.render(clean(problems=("refused",)))


def test_the_overview_counts_and_prices():
    lines = as_markdown.render(report()).splitlines()
    cells = [cell.strip() for cell in lines[5].strip("|").split("|")]
    headings = [cell.strip() for cell in lines[3].strip("|").split("|")]
    told = dict(zip(headings, cells, strict=True))
    estimate = report().cost.estimate
    assert told["violations"] == "2"
    assert told["cannot judge"] == "1"
    assert told["remarks"] == "1"
    assert told["waived"] == "1"
    assert told["worst month"] == f"\\${estimate.worst:,.2f}"
    assert told["change"].startswith("+\\$")


def test_findings_are_grouped_by_rule():
    text = as_markdown.render(report())
    assert text.count("**C11** `bucket-has-lifecycle`") == 1
    assert "- `lake-raw` (`aws:s3/bucket:Bucket`): it has no lifecycle" in text
    assert "- `lake-curated` (`aws:s3/bucket:Bucket`): its rule is disabled" in text
    assert text.count("> Remedy: add one") == 3
    assert "<details><summary>1 remark</summary>" in text
    assert "growth, until 2027-01-31: migration (till spring)" in text


def test_many_findings_of_a_rule_are_cut_short():
    many = tuple(finding(urn=f"urn:pulumi:a::b::aws:s3/bucket:Bucket::b{index}") for index in range(25))
    text = as_markdown.render(clean(violations=many))
    assert "`b9`" in text
    assert "`b10`" not in text
    assert "- and 15 more" in text


def test_a_report_that_is_too_long_ends_in_order():
    many = tuple(
        finding(f"X{index}", f"rule-{index}", level="advisory", message="x" * 900) for index in range(300)
    )
    text = as_markdown.render(clean(violations=many))
    assert len(text) < LIMIT + 200
    assert text.count("<details>") == text.count("</details>")
    assert text.rstrip().endswith("_The rest does not fit here: see the JSON report._")


def test_nothing_from_outside_becomes_markup_or_mentions_anyone():
    text = as_markdown.render(hostile())
    outside = _outside_code(text)
    assert "<script>" not in outside
    assert "@octocat" not in outside
    assert "#12" not in outside
    assert not re.search(r"(?<!\\)\*\*bold", outside)
    assert not re.search(r"(?<!\\)\[x\]\(", outside)
    assert "\x1b" not in text
    for line in text.splitlines():
        if line.startswith("| "):  # no cell has opened another
            assert len(re.findall(r"(?<!\\)\|", line)) in (5, 9, 10)


def test_code_in_messages_stays_code():
    assert escaped("set `stagecraft:labels` to *it*") == "set `stagecraft:labels` to \\*it\\*"
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("") == ""


@given(st.text())
def test_escaped_text_is_one_line_without_open_code_or_html(text):
    line = escaped(text)
    assert "\n" not in line
    outside = _outside_code(line)
    assert "<" not in outside.replace("<!-- -->", "")
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|~$]", outside)


@given(st.text())
def test_code_keeps_its_fence(text):
    told = code(text)
    if told:
        fence = re.match(r"`+", told)[0]
        inner = told[len(fence) : -len(fence)]
        assert fence not in re.findall(r"`+", inner)
