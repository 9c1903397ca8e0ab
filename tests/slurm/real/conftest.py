"""A Slurm cluster for the tests of this folder: one for a file of tests, ended with it."""

import pytest
from pocket_cluster import PocketCluster, lacking


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
