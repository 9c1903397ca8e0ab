"""Golden files, and what a golden file cannot say. A golden file is renewed by hand: look at the difference that the
failing test shows, and write it into the file if it is what a reader should see."""

import csv
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.render import FORMATS
from results.render.latex import escape
from results.render.markdown import escape as escape_markdown

GOLDEN = Path(__file__).parent / "golden"
ANY_TEXT = settings(deadline=None, database=None)
FILES = {"text": "txt", "markdown": "md", "csv": "csv", "csv-long": "long.csv", "latex": "tex"}


def test_every_format_has_a_golden_file():
    assert set(FILES) == set(FORMATS)


@pytest.mark.parametrize("name", FILES)
def test_table_1_looks_as_it_did(name, table):
    golden = GOLDEN / f"table1.{FILES[name]}"
    assert FORMATS[name](table) == golden.read_text(encoding="utf-8")


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


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_anything_in_it(tmp_path, table_of, runs):
    every = "".join(map(chr, range(32, 0x180))) + "±×·−→≤≥≈°µμλτ†‡—–…‘’“”数Ж🙂"
    table = table_of(runs, data=every, notes=[every, "?`!` -- ''"])
    (tmp_path / "t.tex").write_text(DOCUMENT % FORMATS["latex"](table), encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:]
    assert "Missing character" not in finished.stdout
