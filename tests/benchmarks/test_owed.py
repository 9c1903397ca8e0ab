"""What is owed of a GPU: every part is a command that there is and is documented; one runs here at toy size."""

import json
import shlex
import signal
import sys
from pathlib import Path

import pytest

from benchmarks import owed
from benchmarks.command import wanted
from benchmarks.owed import PARTS, Part
from harness import cli

ROOT = Path(__file__).parents[2]


def asked(*arguments):
    return owed.parser().parse_args(arguments)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_is_documented_and_is_a_command_that_there_is(part, tmp_path):
    documented = (ROOT / "docs/performance.md").read_text()
    assert part.line.replace("harness.cli bench", "harness bench") in documented
    for toy in (False, True):
        words = owed.command(part, asked("--out", str(tmp_path), *["--toy"] * toy))[2:]
        if words[0] == "pytest":
            assert (ROOT / words[-1]).is_file()
            continue
        options = cli._parser().parse_args(words[1:])
        assert wanted(options).size == ("toy" if toy else "full")
        assert wanted(options).batches != (4,) or toy


def test_each_part_is_written_down_and_one_that_fails_or_takes_too_long_stops_no_other(tmp_path, monkeypatch, capsys):
    parts = tuple(Part(name, most, "first", "this") for name, most in (("bad", 60), ("slow", 1), ("good", 60)))
    scripts = {"bad": "raise SystemExit(3)", "slow": "import time; print('so far'); time.sleep(60)", "good": "print(7)"}
    monkeypatch.setattr(owed, "PARTS", parts)
    monkeypatch.setattr(owed, "command", lambda part, *_: [sys.executable, "-c", scripts[part.name]])
    assert owed.main(["--out", str(tmp_path), "--seconds", "200"]) == 1
    assert capsys.readouterr().out.splitlines() == ["bad: failed", "slow: out of time", "good: done"]
    assert "so far" in (tmp_path / "slow.log").read_text()
    assert (tmp_path / "good.log").read_text().splitlines()[-1] == "7"


def test_no_part_is_begun_without_time_for_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(owed, "run", lambda *_: pytest.fail("was begun"))
    assert owed.main(["--out", str(tmp_path), "--seconds", "1"]) == 1
    assert capsys.readouterr().out.count("not begun") == len(PARTS)


def test_the_limits_of_a_group_add_up_to_one_call_and_what_matters_most_comes_first():
    for group in ("first", "second"):
        limits = [part.most + owed.GRACE for part in PARTS if part.group == group]
        assert sum(limits) + owed.LEAST <= owed.ALL
    assert [part.name for part in PARTS[:3]] == ["step", "feeding", "without-dense-branch"]


def test_a_group_runs_its_parts_alone_and_photographs_go_to_the_one_that_reads_them(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(owed, "run", lambda words, log, _: begun.append((log.stem, "--images" in words)) or "done")
    for group in ("first", "second"):
        begun.clear()
        assert owed.main(["--out", str(tmp_path), "--group", group, "--images", "there"]) == 0
        assert begun == [(part.name, part.name == "feeding") for part in PARTS if part.group == group]


def test_a_part_runs_at_toy_size_and_leaves_its_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert owed.main(["--out", str(tmp_path), "--toy", "--only", "evaluation"]) == 0
    (data,) = (tmp_path / "evaluation").glob("bench-*.json")
    (section,) = json.loads(data.read_text())["sections"]
    assert [row["what"] for row in section["rows"]] == ["boxes", "masks"]
    assert "## COCO evaluation" in (tmp_path / "evaluation.log").read_text()


def test_a_part_that_is_cut_writes_what_it_has_though_interrupts_were_ignored_here(tmp_path, monkeypatch):
    """As where a shell began all this in the background. The part cuts itself, so that it need not be waited for."""
    fake = "import os, signal, sys, time; from benchmarks import registry; from harness import cli\n"
    fake += "def measure(options):\n"
    fake += "    options.begin('x', 'X', ('a',)).rows.append({'a': 7})\n"
    fake += "    os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
    fake += "registry.measure_of = lambda name: measure\n"
    fake += f"sys.exit(cli.main(['bench', 'keys', '--device', 'cpu', '--out', {str(tmp_path)!r}]))"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(owed, "PARTS", (Part("keys", 50, "first", "this"),))
    monkeypatch.setattr(owed, "command", lambda *_: [sys.executable, "-c", fake])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert owed.main(["--out", str(tmp_path)]) == 1
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopped; what was measured until then is written" in (tmp_path / "keys.log").read_text()
    (data,) = tmp_path.glob("bench-*.json")
    assert json.loads(data.read_text())["sections"][0]["rows"] == [{"a": 7}]


def test_a_part_can_be_chosen_and_the_published_step_stands_beside_ours(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(owed, "run", lambda words, *_: begun.append(shlex.join(words)) or "done")
    assert owed.main(["--out", str(tmp_path), "--only", "step", "--official", "there"]) == 0
    assert len(begun) == 1
    assert begun[0].endswith(f"--out {tmp_path / 'step'} --official there")
