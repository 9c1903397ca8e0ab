"""``harness run --detach --dry-run`` shows the keeper that it would submit, too."""

import pytest

from harness import cli
from harness.cluster import keeper, rehearsal
from harness.cluster.home import Home
from harness.store import Store
from slurm.cluster import Cluster, Keeper
from slurm.origin import Origin

PROFILE = "description: of the tests\npartition: night\nkeeper: {partition: small, memory: 1G}\n"


@pytest.fixture
def shown(place, planned, monkeypatch, capsys):
    """``shown(*arguments)``: what a dry run prints."""
    (place.folder / "of.yaml").write_text(PROFILE)
    monkeypatch.setattr(rehearsal.Paper, "origin", lambda self: Origin("tests", 0))

    def shown(*arguments):
        capsys.readouterr()
        assert cli.main(["run", "1", "--cluster", "of.yaml", "--dry-run", "--profile", "toy.yaml", *arguments]) == 0
        return capsys.readouterr().out

    return shown


def test_it_is_there_with_its_own_request(shown, place):
    text = shown("--detach")
    assert text.startswith("# 9 jobs in 4 arrays and a keeper; nothing is submitted")
    _, script = text.split("# ---- ARRAY5: the keeper, which starts anew what is lost\n")
    assert "#SBATCH --partition=small" in script
    assert "#SBATCH --mem=1024M" in script
    assert f"# task 0: keeper: {place.store.absolute()} tests-0" in script
    assert not place.store.exists()


def test_who_stays_needs_none(shown):
    assert "keeper" not in shown()


def test_one_that_is_in_the_queue_already_is_named(shown, drive, slurm, place, monkeypatch):
    cluster = Cluster(description="of the tests", partition="night", keeper=Keeper(partition="small"))
    driver = drive(cluster=cluster)
    driver.make()
    home = Home(Store(place.store))
    keeper.submit(slurm, home, cluster, "tests-0", {})
    monkeypatch.setattr(rehearsal.Paper, "known", lambda self, home: slurm.known(home))
    text = shown("--detach")
    assert text.startswith("# 0 jobs in 0 arrays; nothing is submitted")
    assert f"# the keeper {slurm.calls[-1].job_id} is in the queue already" in text
