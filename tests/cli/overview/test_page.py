"""The page: everything is on it, it needs nothing else, and no text is more than text."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli.overview.components import map_of
from cli.overview.page import page
from tests.cli.overview import browser
from tests.cli.overview.samples import bias, explanation, hostile, model, overview, promise
from tests.cli.reports import samples


class Read(HTMLParser):
    """A page's tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "rect", "line", "circle", "path", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("told", [overview(), hostile()[0]], ids=["usual", "hostile"])
def test_the_page_needs_nothing_else_and_runs_nothing(told):
    read = Read(page(told))
    assert read.open == []
    assert {tag for tag, _ in read.tags} & {"script", "img", "link", "iframe", "object", "form"} == set()
    for _, attributes in read.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in {"src", "style", "srcset"}
        ]
        assert (attributes.get("href") or "#").startswith("#")


def test_texts_that_want_to_break_out_are_shown_as_they_are():
    told, texts = hostile()
    read = Read(page(told))
    for text in texts:
        assert text in read.text or any(
            text in (value or "") for _, found in read.tags for value in found.values()
        )
    assert not re.search(r"[\x00-\x08\x1b]", page(told))


def test_the_only_style_obeyed_is_the_pages_own():
    text = page(overview())
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (told,) = re.findall(r"style-src 'sha256-([^']+)'", text)
    assert base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode() == told
    assert "default-src 'none'" in text


def test_links_lead_to_places_on_the_page():
    read = Read(page(overview()))
    places = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    links = [str(attributes["href"])[1:] for tag, attributes in read.tags if tag == "a"]
    assert len(links) > 7
    assert set(links) <= places


def test_everything_is_on_it():
    text = " ".join(Read(page(overview())).text.split())
    for told in (
        "endpoint-churn",
        "99.9 % answered",
        "above the threshold: logins",
        "20.5 of 14.4",
        "-200 %",
        "version 7",
        "p95 of the last day 41.5 ms",
        "limit 0.8",
        "constant: plan",
        "not watched yet",
        "of the budget of $400.00",
        "What is deployed is not allowed",
        "bucket-has-lifecycle",
        "waived by growth until 2027-01-31",
        "churn breaks its promise",
        "Why: 2 of 2",
        "1 on",
        "groups are treated too differently",
        "equalised odds: too few labels are known yet",
        "not compared: too few answers",
        "rank correlation 0.5",
        "the features have changed since the version was trained",
        "$0.00939",
        "at most $0.5",
        "79.6",
        "7.5 %",
        "no retention was told",
        "By variant, newest window",
    ):
        assert told in text


def test_the_same_overview_gives_the_same_page():
    assert page(overview()) == page(overview())


def test_an_environment_of_which_nothing_is_known_says_so():
    bare = model(endpoint="", version="", status="", promises=(), traffic=(), drift=None, quality=())
    told = overview(models=(bare,), views=(), alarms=(), told=[], component_costs={}, unknown=("no alarms",))
    text = " ".join(Read(page(told)).text.split())
    for said in ("nothing is live", "nothing is promised", "not measured", "none are declared", "no alarms"):
        assert said in text
    unasked = overview(models=(model(promises=(promise(0, 0),)),), components=map_of([]), component_costs={})
    assert "no requests yet" in Read(page(unasked)).text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bias_attribute": "", "bias": None}, "no groups are compared: monitor.bias is not declared"),
        ({"bias": None}, "the job bias has left no result"),
        ({"bias": None, "watched": False}, "no job watches it; the capability monitors is off"),
        ({"bias": bias(last=None)}, "fewer than two groups had answers enough"),
        ({"explanation": None}, "the job explain has left no result"),
        ({"explanation": None, "version": ""}, "nothing is live, so there is nothing to explain"),
        ({"explanation": replace(explanation(), agreement=None)}, "no version before it was explained"),
        ({"worth": None}, "the job kpis has left no result"),
    ],
)
def test_where_there_is_nothing_it_says_why(changes, said):
    text = " ".join(Read(page(overview(models=(model(**changes),)))).text.split())
    assert said in text


def test_every_drawing_says_what_it_shows():
    """A picture that only eyes can read is none: each has a label, and what it draws stands beside it."""
    read = Read(page(overview()))
    drawings = [attributes for tag, attributes in read.tags if tag == "svg"]
    assert len(drawings) > 15
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert attributes["aria-label"]
    assert len({attributes["id"] for _, attributes in read.tags if "id" in attributes}) == len(
        [attributes for _, attributes in read.tags if "id" in attributes]
    )


def test_a_policy_pack_that_failed_is_not_good_news():
    read = Read(
        page(overview(verdict=samples.report(violations=(), cannot_judge=(), problems=("it crashed",))))
    )
    assert "not judged" in read.text
    assert "it crashed" in read.text


@pytest.mark.skipif(browser.FOUND is None, reason="no headless browser on this machine")
def test_a_real_browser_draws_it(tmp_path: Path):
    file = tmp_path / "report.html"
    file.write_text(page(hostile()[0]), encoding="utf-8")
    drawn, said = browser.run(file, tmp_path / "profile", "--dump-dom")
    assert said == []
    assert "<script" not in drawn
    assert re.findall(r'<section id="(\w+)"', drawn) == [
        *("map", "endpoints", "drift", "bias", "explanations", "business", "data", "cost"),
        *("policies", "alarms"),
    ]
    picture = tmp_path / "report.png"
    browser.run(file, tmp_path / "profile", f"--screenshot={picture}", "--window-size=1280,2400")
    assert picture.read_bytes().startswith(b"\x89PNG")
    # A page without its style, or a blank one, packs far smaller.
    assert picture.stat().st_size > 60_000


@pytest.mark.skipif(browser.FOUND is None, reason="no headless browser on this machine")
@pytest.mark.parametrize("width", [1180, 500])
@pytest.mark.parametrize(
    ("scheme", "paper", "bars"),
    [(1, "rgb(255, 255, 255)", "rgb(37, 99, 201)"), (0, "rgb(17, 22, 29)", "rgb(127, 176, 255)")],
    ids=["light", "dark"],
)
def test_a_browser_draws_its_charts_in_light_and_in_dark(
    tmp_path: Path, scheme: int, paper: str, bars: str, width: int
):
    text = page(overview())
    flags = (f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={width},1200")
    told = browser.measured(text, tmp_path, *flags)
    assert (told["paper"], told["fills"]) == (paper, [bars])
    assert (told["wide"], told["unseen"]) == (0, 0)
    if width > 1000:
        # A half and a quarter on rails of 308 pixels; the importances' scale ends beyond the largest.
        half, quarter, largest, *_ = told["widths"]
        assert (half, quarter) == (154, 77)
        assert 250 < largest < 308
