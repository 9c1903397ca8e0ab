"""harness cluster init, list and show."""

import pytest

from harness.cli import main
from slurm import cluster as clusters
from slurm.discover import Nodes, Partition, Site

NODES = Nodes(4, 64, 512000, 4, "a100")
PARTITIONS = tuple(Partition(name, name == "gpu", True, True, 24.0, "OFF", (NODES,)) for name in ("gpu", "long"))


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.cluster_profiles.discover", lambda: Site("jz", "22.05.8", {}, PARTITIONS))


def test_init_writes_a_profile_that_is_found_by_its_name(capsys):
    assert main(["cluster", "init"]) == 0
    assert "harness plan 1 --cluster jz" in capsys.readouterr().out
    assert clusters.load("jz").partition == "gpu"
    assert main(["cluster", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["name", "debug", "jz", "local"]


def test_init_leaves_a_file_that_is_there(tmp_path, capsys):
    path = tmp_path / "clusters" / "jz.yaml"
    path.parent.mkdir()
    path.write_text("mine")
    assert main(["cluster", "init"]) == 2
    assert "clusters/jz.yaml: is there already. Name another file by --out" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["cluster", "init", "--force", "--partition", "long"]) == 0
    assert clusters.load("jz").partition == "long"


def test_init_names_the_nearest_partition(capsys):
    assert main(["cluster", "init", "--partition", "gpus"]) == 2
    assert "--partition gpus: jz has none of this name. Did you mean `gpu`?" in capsys.readouterr().err


def test_init_wants_a_file_that_will_be_found(capsys):
    assert main(["cluster", "init", "--out", "mine.yml"]) == 2
    assert "does not end in .yaml" in capsys.readouterr().err


def test_show_prints_what_holds_and_whence(tmp_path, capsys):
    assert main(["cluster", "init", "--out", "mine.yaml"]) == 0
    capsys.readouterr()
    assert main(["cluster", "show", "mine.yaml"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# mine.yaml\n")
    assert "warning_seconds: 120" in shown


def test_a_profile_that_does_not_fit_is_listed_with_its_fault(tmp_path, capsys):
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "bad.yaml").write_text("description: x\npartitoin: gpu\n")
    assert main(["cluster", "list"]) == 0
    assert "unknown field `partitoin`. Did you mean `partition`?" in capsys.readouterr().out
    assert main(["cluster", "show", "bad"]) == 2


def test_a_name_that_is_taken_is_refused(tmp_path, capsys):
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "local.yaml").write_text("description: x\n")
    assert main(["cluster", "show", "local"]) == 2
    assert "there is another cluster `local`" in capsys.readouterr().err


def test_an_unknown_name_leads_to_init(capsys):
    assert main(["cluster", "show", "jzz"]) == 2
    assert "there is no such cluster" in capsys.readouterr().err
