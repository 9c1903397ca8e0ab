"""The Makefile and the pins."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*arguments):
    return subprocess.run(["make", "-C", str(ROOT), *arguments], capture_output=True, text=True)


def test_help_lists_every_target():
    phony = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text())[1].split()
    listed = re.findall(r"^  make (\S+) +\S", make("help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony)


def test_variables_are_passed_on():
    said = make(
        "-n", "table1", "DATA=/datasets", "PROFILE=paper", "CLUSTER=big", "SET=byol.optim.lr=1 scenes.seed=2",
        "WORKERS=3", "STORE=/store", "RERUN=retry", "IMAGES=a b", "DETACH=1",
    ).stdout  # fmt: skip
    run = next(line for line in said.splitlines() if "harness run" in line)
    for words in (
        "harness run 1 ", "--data \"/datasets\"", "--profile \"paper\"", "--cluster big", "--set 'byol.optim.lr=1'",
        "--set 'scenes.seed=2'", "--workers 3", "--store \"/store\"", "--rerun retry", "--detach",
        "--pretrain-images \"a\" --pretrain-images \"b\"",
    ):  # fmt: skip
        assert words in run


@pytest.mark.parametrize("line", (ROOT / "constraints.txt").read_text().splitlines())
def test_constraints_are_exact_pins_without_addresses(line):
    assert re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*|setuptools<82", line)
    assert "nvidia" not in line


def test_a_path_may_have_a_space_and_the_environment_decides_nothing(monkeypatch):
    for name in ("DATA", "PROFILE", "SET", "STORE", "IMAGES"):
        monkeypatch.setenv(name, "from-the-environment")
    assert "from-the-environment" not in make("-n", "plan").stdout
    assert '--data "/data sets" ' in make("-n", "plan", "DATA=/data sets").stdout


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("COMPARE=statistic", "COMPARE=statistic: use one of: none published statistics"),
        ("FORMATS=csv docx", "FORMATS=docx: use one of: txt csv tex md html json"),
        ("RERUN=again", "RERUN=again: use one of: missing retry force never"),
        ("only=byol", "only is no variable of this Makefile. Use one of: PROFILE CLUSTER DETACH STORE RERUN DATA ONLY"),
    ],
)
def test_a_misspelt_choice_stops_before_anything_runs(wrong, words):
    said = make("-n", "table1", wrong)
    assert said.returncode == 2
    assert words in said.stderr
    assert "harness run" not in said.stdout


def test_a_table_is_read_where_it_was_run():
    assert "harness table 1 " in make("-n", "table1", "CLUSTER=big").stdout
    printed = next(line for line in make("-n", "table1", "CLUSTER=big").stdout.splitlines() if "harness table" in line)
    assert "--cluster big" in printed
    assert "--cluster" not in make("-n", "report").stdout
    assert "--cluster big" in make("-n", "status", "CLUSTER=big").stdout


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_installed_into_the_environment_of_another_checkout(tmp_path, there):
    if there:
        (tmp_path / "theirs" / "bin").mkdir(parents=True)
        python = tmp_path / "theirs" / "bin" / "python"
        python.write_text(f"#!/bin/sh\ntouch {tmp_path}/installed\n")
        python.chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    said = make("plan", f"VENV={tmp_path / 'link'}", f"PYTHON={tmp_path / 'none'}")
    assert said.returncode == 2
    assert f"{tmp_path / 'link'} is a link to {tmp_path / 'theirs'}: nothing is installed into another" in said.stderr
    assert not (tmp_path / "installed").exists()
