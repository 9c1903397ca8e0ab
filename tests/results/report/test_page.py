"""The report's page: its structure by a parser of HTML, its sorting and its looks by a browser where there is one."""

import dataclasses
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from results.judgement import judge
from results.report.page import Failure, Picture, Report, Work, judged, render

VOID = {"meta", "img", "br", "link", "input"}


def work(title, state="done", **changes):
    fields = {
        "title": title, "kind": "fine-tuning", "state": state, "seed": 3, "key": "f" * 64, "folder": f"runs/{title}",
        "metrics": {"AP": 1.25}, "seconds": 75.0, "finished": "2026-01-02 03:04:05", "device": "cpu, 1 thread",
        "host": "vm", "tool": "torchvision 0.26.0", "code": "abc", "data": "def", "weights": "a" * 64,
    }  # fmt: skip
    return Work(**(fields | changes))


@pytest.fixture
def report(table):
    return Report(
        title="Report <of> tests",
        profile="smoke",
        data="scenes",
        remarks=["overrides: a=1"],
        tables=[judge(table)],
        judged=[judged(judge(table))],
        pictures=[Picture("Heat", "Means.", "svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")],
        failures=[
            Failure("voc_detection byol run 0", "code: RuntimeError", "runs/a/log.txt", "<script>alert(1)</script>")
        ],
        works=[work("one"), work("two", "running", seconds=None, finished=""), work("three", "missing")],
        marks=["stale: runs/b: version 1"],
    )


class Page(HTMLParser):
    """Elements in order with their attributes, and the text in them; refuses tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] not in {"style", "script"}:
            self.texts.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_every_tag_is_closed_and_every_link_leads_somewhere(report):
    page = Page(render(report))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.all("a")} == set(ids)
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))


def test_the_page_needs_nothing_from_elsewhere(report):
    text = render(report)
    page = Page(text)
    addresses = [value for _, each in page.elements for name, value in each.items() if name in {"src", "href"}]
    assert all(address.startswith(("#", "data:image/")) for address in addresses)
    assert "link" not in {tag for tag, _ in page.elements}
    assert not re.search(r"url\(|@import|https?:", text.replace("http://www.w3.org", ""))
    (policy,) = [each["content"] for each in page.all("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none';")


def test_cells_show_our_number_and_the_published_one_and_sort_by_the_mean(report):
    page = Page(render(report))
    cells = [each for each in page.all("td") if "title" in each and "data-value" in each]
    assert cells[0] == {"data-value": "51.5", "title": "runs: 51.00, 52.50, 50.25, 51.75, 52.00"}
    for words in (
        "51.50 ± 0.88",
        "49.08 ± 0.63 (3/5)",
        "55.73 ± 0.28",
        "running",
        "not implemented",
        "not run",
        "less MoCo-V2+",
    ):
        assert words in page.texts
    columns = {each["data-column"] for each in page.all("th") if "data-column" in each}
    assert columns >= {str(place) for place in range(14)}


def test_the_group_of_best_is_bold_and_differences_sort_by_their_number(report):
    text = render(report)
    assert "<strong>51.50 ± 0.88</strong>" in text
    assert "<strong>49.08" not in text
    assert text.index("Bold: cannot be told from the best") < text.index("<h2>Verdicts</h2>")
    assert re.search(r'<td data-value="\+2\.42">\+2\.42 ↑</td>', text)
    assert judged(dataclasses.replace(report.tables[0], judgement=None)) is None


def test_what_runs_and_logs_say_is_text_and_never_markup(report):
    text = render(report)
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<title>Report &lt;of&gt; tests</title>" in text


def test_progress_counts_states_and_an_empty_report_says_so(report):
    page = Page(render(report))
    (bar,) = [each["aria-label"] for each in page.all("div") if "aria-label" in each]
    assert bar.split() == ["1", "done", "1", "running", "1", "missing"]
    empty = dataclasses.replace(report, judged=[], pictures=[], failures=[], works=[], marks=[])
    page = Page(render(empty))
    assert "No run has failed." in page.texts
    assert "Failed and interrupted (0)" in page.texts
    assert page.all("figure") == []


def test_the_same_runs_give_the_same_page(report):
    assert render(report) == render(report)


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium to look at the page with")


def browse(page, *options):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@in_a_browser
def test_a_click_on_a_heading_sorts_a_table_with_its_empty_cells_last(report, tmp_path):
    page, orders = tmp_path / "report.html", []
    for clicks in (1, 2):
        click = "document.querySelectorAll('th button')[1].click();" * clicks
        page.write_text(render(report).replace("</body>", f"<script>{click}</script></body>"))
        shown = browse(page, "--dump-dom")
        body = shown[shown.index("<tbody>") : shown.index("</tbody>")]
        orders.append(re.findall(r'data-value="([^"]*)"(?: class="none")? title=', body)[::3])
    means = ["6.825", "49.083333333333336", "51.5", "53.125"]
    assert orders[0][:4] == means
    assert orders[1][:4] == means[::-1]
    assert set(orders[0][4:] + orders[1][4:]) == {""}


@in_a_browser
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_is_no_wider_than_the_screen(report, tmp_path, width):
    page = tmp_path / "report.html"
    ask = "document.title = document.documentElement.scrollWidth + ' of ' + window.innerWidth;"
    page.write_text(render(report).replace("</body>", f"<script>{ask}</script></body>"))
    found = re.search(r"<title>(\d+) of (\d+)</title>", browse(page, f"--window-size={width},900", "--dump-dom"))
    assert int(found[1]) <= int(found[2])
