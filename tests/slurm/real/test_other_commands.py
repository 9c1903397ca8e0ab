"""Commands besides ``run`` that let Slurm do what they lack."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from place import FEW, ROOT


@pytest.fixture(scope="module")
def cluster(pocket):
    return pocket(memory_mb=16000)


def test_weights_that_are_evaluated_become_a_row(table, cluster):
    """By one who does not stay, and looks with the command that he was told."""
    mine = table()
    (mine.folder / "mine.pth").write_text("1 2 3")
    words = ("evaluate", "--weights", "mine.pth", "--name", "Theirs", "--tasks", "voc_detection")
    mine.hold("Theirs.r1")
    code, output, errors = mine.harness(*words, "--cluster", "pocket.yaml", "--detach")
    assert (code, "±" in output) == (0, False), errors
    mine.held("Theirs.r1", kind="transfer", beginning="voc_detection.Theirs.r1")
    status = shlex.split(re.search(r"How it stands: harness (.*)\. To take it back", errors)[1])
    code, output, errors = mine.harness(*(word for word in status if word not in {"--profile", "toy.yaml"}))
    assert code == 0, errors
    assert "3 jobs: 2 done, 1 running" in output
    mine.let_go("Theirs.r1")
    code, output, errors = mine.harness(*words, "--cluster", "pocket.yaml")
    assert code == 0, errors
    assert re.search(r"^Theirs +\d+\.\d+ ± ", output, re.MULTILINE)
    assert mine.names() == ["Theirs.r0", "Theirs.r1"]


def test_a_figure_is_drawn_of_what_the_cluster_has_trained(table, cluster):
    real = table(resources={"memory": "3G"})
    (real.folder / "few.yaml").write_text(FEW)
    command = [
        sys.executable, "-m", "harness.cli", "figure", "1", "--only", "random-init", "--side", "64",
        "--profile", "few.yaml", "--cluster", "pocket.yaml", "--out", "a.json",
    ]  # fmt: skip
    environment = {**real.environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=real.folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["a.json"]
    (record,) = real.records()
    assert record["host"]["name"] in cluster.nodes
    hashes = json.loads((real.folder / "a.json").read_text())["weights"]
    assert hashes == {"random init": record["outputs"]["backbone.safetensors"]}
