"""What is owed of a GPU: every part is a command that there is, is documented, and runs here at toy size."""

import shlex
import sys
from pathlib import Path

import pytest

from benchmarks import owed
from benchmarks.command import wanted
from benchmarks.owed import PARTS, Part
from harness import cli

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_is_documented_and_is_a_command_that_there_is(part, tmp_path):
    documented = (ROOT / "docs/performance.md").read_text()
    assert part.line.replace("harness.cli bench", "harness bench") in documented
    for toy in (False, True):
        words = owed.command(part, tmp_path, toy, None)[2:]
        if words[0] == "pytest":
            assert (ROOT / words[-1]).is_file()
            continue
        options = cli._parser().parse_args(words[1:])
        assert wanted(options).size == ("toy" if toy else "full")
        assert wanted(options).batches != (4,) or toy


def test_each_part_is_written_down_and_one_that_fails_or_takes_too_long_stops_no_other(tmp_path, monkeypatch, capsys):
    slow = Part("slow", 1, "this")
    parts = (Part("bad", 60, "this"), slow, Part("good", 60, "this"))
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


def test_a_part_can_be_chosen_and_the_published_step_stands_beside_ours(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(owed, "run", lambda words, *_: begun.append(shlex.join(words)) or "done")
    assert owed.main(["--out", str(tmp_path), "--only", "step", "--official", "there"]) == 0
    assert len(begun) == 1
    assert begun[0].endswith(f"--out {tmp_path / 'step'} --official there")
