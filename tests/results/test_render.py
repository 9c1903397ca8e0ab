"""Golden files, and what a golden file cannot say. A golden file is renewed by hand: look at the difference that the
failing test shows, and write it into the file if it is what a reader should see."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ground.errors import ConfigError
from results import published
from results.judgement import judge
from results.layout import load
from results.render import FORMATS, together
from results.render.grid import difference, notes
from results.render.latex import escape
from results.render.markdown import escape as escape_markdown

GOLDEN = Path(__file__).parent / "golden"
ANY_TEXT = settings(deadline=None, database=None)
FILES = {"text": "txt", "markdown": "md", "csv": "csv", "csv-long": "long.csv", "latex": "tex", "html": "html"}


def test_every_format_has_a_golden_file():
    assert {*FILES, "json"} == set(FORMATS)  # what JSON holds is tested below


@pytest.mark.parametrize("name", FILES)
def test_table_1_looks_as_it_did(name, table):
    golden = GOLDEN / f"table1.{FILES[name]}"
    assert FORMATS[name](table) == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["text", "latex", "markdown"])
def test_table_1_with_its_statistics_looks_as_it_did(name, table):
    golden = GOLDEN / f"table1.statistics.{FILES[name]}"
    assert FORMATS[name](judge(table)) == golden.read_text(encoding="utf-8")


def test_a_table_with_column_groups_and_two_pre_training_sets_looks_as_it_did(table_of, one):
    metrics = {"box_AP": 40.25, "mask_AP": 36.5}
    runs = [
        one("pixcon-sr", index, task="coco_detection", metrics=metrics | {"mask_AP": 36.5 + index}, tool="torchvision")
        for index in range(3)
    ]
    asked = {"coco_detection": 3}
    table = table_of(runs, "table7", expected=asked, known_tasks=list(asked), known_recipes=["pixcon-sr"])
    for name in ("text", "latex"):
        assert FORMATS[name](table) == (GOLDEN / f"table7.{FILES[name]}").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_profile_and_data_stand_on_every_format(name, table):
    rendered = FORMATS[name](table)
    assert "smoke" in rendered
    assert "scenes" in rendered
    assert rendered.endswith("\n")


def test_ours_and_published_stand_side_by_side(table):
    lines = FORMATS["text"](table).splitlines()
    for start in ("MoCo-V2+      49.08 ± 0.63 (3/5)  54.63 ± 0.26", "ORL           not implemented     55.82 ± 0.30"):
        assert [line for line in lines if line.startswith(start)]
    assert any(line.startswith("random init    6.83 ± 0.60 ") for line in lines)  # decimal points under each other


@pytest.mark.parametrize("number", range(1, 8))
def test_every_value_that_the_paper_prints_stands_in_its_row_in_order(number, table_of):
    """Read from the file itself and from what is printed, so that nothing in between can hide a cell."""
    printed: dict[tuple[str, str], list[str]] = {}
    with open(published.HOME, encoding="utf-8", newline="") as file:
        for cell in csv.DictReader(file):
            if int(cell["table"]) == number:
                value = f"{cell['mean']} ± {cell['std']}" if cell["std"] else cell["mean"] or "–"
                printed.setdefault((bare(cell["row"]), cell["pretrain_data"]), []).append(value)
    tasks = load(str(number)).tasks
    table = table_of([], f"table{number}", known_tasks=tasks, expected=dict.fromkeys(tasks, 3))
    head, _, *rows = (line[2:-2].split(" | ") for line in markdown_rows(FORMATS["markdown"](table)))
    beside = [place for place, label in enumerate(head) if label.endswith("published")]
    shown = {(bare(row[0]), row[1] if number == 7 else "COCO"): [row[place] for place in beside] for row in rows}
    floor = shown.pop(("randominit", "COCO"), None)
    assert shown == printed
    assert floor == ([""] * len(beside) if number <= 3 else None)


def bare(label: str) -> str:
    """A row's name without what sets the paper's apart from ours."""
    return re.sub(r"\(ours\)|[†‡\\\s]", "", label)


def markdown_rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_a_table_without_published_values_has_no_column_for_them(table_of, one, tmp_path, monkeypatch):
    from results import layout

    monkeypatch.setattr(layout, "HOME", tmp_path)
    (tmp_path / "mine.yaml").write_text(
        "title: Mine\ncolumns: [{task: voc_detection, metric: AP, label: AP}]\nrows: [{label: B, recipe: byol}]\n"
    )
    text = FORMATS["text"](table_of([one()], "mine"))
    assert "published" not in text.split("\n\n")[1]
    assert text.startswith("Mine\n")


def test_csv_keeps_full_precision_and_states(table):
    rows = {row["recipe"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"](table)))}
    assert float(rows["mocov2plus"]["voc_detection.AP.mean"]) == (48.5 + 49.0 + 49.75) / 3
    assert rows["pixcon-sim"]["voc_detection.AP.std"] == ""
    assert rows["slotcon"]["voc_detection.AP75.state"] == "not implemented"
    assert rows["byol"]["comparable"] == "False"
    long = list(csv.DictReader(io.StringIO(FORMATS["csv-long"](table))))
    assert len(long) == 3 * sum(len(line.cells[0].runs) for line in table.lines)
    assert {row["value"] for row in long if row["state"] != "done"} == {""}


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("a_b & 50% of $5 #1 {x} ~ ^", r"a\_b \& 50\% of \$5 \#1 \{x\} \textasciitilde{} \textasciicircum{}"),
        ("C:\\data", r"C:\textbackslash{}data"),
        ("57.1 ± 0.3 — ORL †", r"57.1 $\pm$ 0.3 --- ORL $\dagger$"),
        ("pre-train --set a", "pre-train -{}-set a"),
        ("[x] * [y]", "{}[x] * [y]"),
        ("*", "{}*"),
        ("Señor ça Ångström café", r"Se\~{n}or \c{c}a \r{A}ngstr\"{o}m caf\'{e}"),
        ("数 Ж", r"{\ttfamily U+6570} {\ttfamily U+0416}"),
        ("two\nlines\there", "two lines here"),
    ],
)
def test_latex_escapes(plain, escaped):
    assert escape(plain) == escaped


@ANY_TEXT
@given(st.text())
def test_latex_escapes_anything_to_balanced_ascii(string):
    escaped = escape(string)
    assert escaped.isascii()
    bare = escaped.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")


@ANY_TEXT
@given(st.text())
def test_markdown_cannot_leave_its_cell(string):
    assert "|" not in escape_markdown(string).replace(r"\|", "")
    assert "\n" not in escape_markdown(string)


DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def test_json_holds_everything_behind_a_cell(table):
    plain = json.loads(FORMATS["json"](table))
    assert plain["statistics"] is None
    byol = plain["rows"][0]
    assert byol["recipe"] == "byol"
    assert byol["cells"][0]["values"] == [51.0, 52.5, 50.25, 51.75, 52.0]
    assert [plain["runs"][path]["metrics"]["AP"] for path in byol["cells"][0]["runs"]] == byol["cells"][0]["values"]
    assert byol["cells"][0]["published"]["std"] == 0.28
    judged = json.loads(FORMATS["json"](judge(table)))["statistics"]
    assert judged["columns"][0]["differences"]["byol"]["state"] == "higher"
    assert judged["columns"][0]["statistics"]["pool"]["df"] == 10


def test_html_escapes_and_stands_alone(table_of, runs):
    page = FORMATS["html"](table_of(runs, data="<script>alert(1)</script> & more"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert re.findall(r"(?:src|href|@import|url)\s*[=(]", page) == []


def test_what_stands_beside_ours_and_whether_there_is_a_deviation_is_the_readers_choice(table):
    none = FORMATS["text"](replace(table, compare="none"))
    assert "55.73" not in none
    bare = FORMATS["text"](replace(table, deviations=False))
    assert "\nBYOL          51.50" in bare
    assert "51.50 ± " not in bare
    assert "not all of the 5 runs" not in bare
    assert "55.73 ± 0.28" in bare  # the paper's is as printed


@pytest.mark.parametrize("number", ["4", "5", "6"])
def test_tables_4_to_6_give_means_alone(table_of, number, one):
    recipe = load(number).recipes[0]
    runs = [
        one(recipe, index, task="coco_detection", metrics={"box_AP": 40.0 + index, "mask_AP": 36.0})
        for index in (0, 1, 2)
    ]
    table = table_of(
        runs, f"table{number}", expected={"coco_detection": 3}, known_tasks=["coco_detection"], known_recipes=[recipe]
    )
    assert "41.0 ± " not in FORMATS["text"](table)
    assert "41.0 ± 1.0" in FORMATS["text"](replace(table, deviations=True))


def has_latex():
    """Whether pdflatex is here, and booktabs, which small installations lack."""
    found = [shutil.which(name) for name in ("pdflatex", "kpsewhich")]
    return all(found) and not subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).returncode


@pytest.mark.skipif(not has_latex(), reason="pdflatex with booktabs is not installed")
def test_latex_compiles_with_anything_in_it(tmp_path, table_of, runs):
    every = "".join(map(chr, range(32, 0x180))) + "±×·−→≤≥≈°µμλτ†‡—–…‘’“”数Ж🙂"
    table = table_of(runs, data=every, notes=[every, "?`!` -- ''"])
    both = FORMATS["latex"](table) + FORMATS["latex"](judge(table))
    (tmp_path / "t.tex").write_text(DOCUMENT % both, encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:]
    assert "Missing character" not in finished.stdout


def test_several_tables_in_one_file_are_still_of_its_format(table):
    two = [table, replace(table, name="other")]
    assert [each["name"] for each in json.loads(together("json", two))] == ["table1", "other"]
    long = list(csv.DictReader(io.StringIO(together("csv-long", two))))
    assert {each["table"] for each in long} == {"table1", "other"}
    page = together("html", two)
    assert (page.count("<!doctype"), page.count("<section")) == (1, 2)
    with pytest.raises(ConfigError, match="holds one table"):
        together("csv", two)
    for name in FORMATS:
        assert together(name, two[:1]) == FORMATS[name](table)


def test_csv_says_what_a_deviation_is_over_and_holds_the_statistics(table):
    plain, judged = (next(csv.DictReader(io.StringIO(FORMATS["csv"](each)))) for each in (table, judge(table)))
    assert plain["voc_detection.AP.pretrainings"] == "1"
    assert "voc_detection.AP.verdict" not in plain
    assert float(judged["voc_detection.AP.difference"]) == pytest.approx(2.4167, abs=1e-4)
    assert judged["voc_detection.AP.difference_state"] == "higher"
    assert judged["voc_detection.AP.verdict"] == judge(table).judgement.columns[0].directions["byol"].state


def test_names_of_tables_and_entities_do_not_break_out(table):
    assert r"\label{tab:a-b-c-_1}" in FORMATS["latex"](replace(table, name="a}b%c\\_1"))
    assert escape_markdown("&lt;") == r"\&lt;"


def test_a_difference_of_nothing_has_no_minus_and_hidden_deviations_no_note(table):
    column = judge(table).judgement.columns[0]
    less = replace(column.differences["byol"], difference=-0.001, state="not told apart")
    assert difference(replace(column, differences={"byol": less}), "byol", 1) == "+0.0 ≈"
    gone = set(notes(table)) - set(notes(replace(table, deviations=False)))
    assert sorted(note[:20] for note in gone) == ["A cell of one run ha", "± is the sample stan"]


def test_the_note_on_published_values_stands_with_their_column_alone(table):
    assert any(note.startswith("published:") for note in notes(table))
    assert not any(note.startswith("published:") for note in notes(replace(table, compare="none")))
