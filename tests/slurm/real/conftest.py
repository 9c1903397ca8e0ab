"""A Slurm cluster for the tests of this folder: one for a file of tests, ended with it."""

import pytest

pytest.register_assert_rewrite("pocket_cluster", "pocket_table")

from pocket_cluster import PocketCluster, lacking  # noqa: E402
from pocket_table import Table  # noqa: E402


@pytest.fixture(scope="module")
def pocket(tmp_path_factory):
    """``pocket(**options)``: a running cluster, as ``PocketCluster`` is told."""
    started = []

    def start(**options):
        if problem := lacking(options.get("accounting", False)):
            pytest.skip(problem)
        cluster = PocketCluster(tmp_path_factory.mktemp("pocket"), **options)
        started.append(cluster)
        return cluster.__enter__()

    yield start
    for cluster in started:
        cluster.stop()


@pytest.fixture
def table(cluster, tmp_path):
    """``table(**options)``: a table to be driven on the cluster of this file, with a store of its own."""
    made = []

    def make(**options):
        made.append(Table(cluster, tmp_path / f"table{len(made)}", **options))
        return made[-1]

    yield make
    for each in made:
        each.end()
        for line in each.active():
            cluster.call("scancel", line.split()[1])
