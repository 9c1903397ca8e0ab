"""What of a finished or failed run a table is told."""

import json

import pytest

from harness import cli, tabulate, worker
from harness.store import Store


@pytest.fixture
def tuned(place, planned):
    """A finished fine-tuning: store and job."""
    store, job = Store(place.store), next(job for job in planned.jobs if job.kind == "transfer")
    for each in planned.jobs:
        if each is job or each.name == job.parents["weights"].name:
            store.prepare(each)
            worker.execute(store.directory(each))
    return store, job


def areas(*rows):
    """A run's ``iou.json``: (intersection, union) of each class, in pixels."""
    names = ("sky", "road", "car")
    each = zip(names, rows, strict=True)
    return [{"class": name, "IoU": None, "intersection": both, "union": either} for name, (both, either) in each]


@pytest.mark.parametrize(
    ("classes", "constant"),
    [
        (areas((70, 100), (0, 20), (0, 10)), True),  # all 100 pixels are called sky, of which 70 are
        (areas((60, 100), (0, 30), (0, 10)), True),  # ten of the 70 are called road: worse
        (areas((70, 90), (0, 20), (0, 20)), False),  # ten pixels of road are called car: sky is better than by chance
        (areas((70, 99), (1, 20), (0, 10)), False),
        (areas((0, 100), (0, 20), (0, 10)), False),  # right nowhere: its number is 0
        (None, False),
    ],
)
def test_a_segmentation_that_one_class_everywhere_would_equal_is_known(tuned, planned, classes, constant):
    store, job = tuned
    look = store.look(job)
    look.record["outputs"]["iou.json"] = "a hash"
    if classes is not None:
        (store.directory(job) / "iou.json").write_text(json.dumps(classes))
    assert tabulate.observation(planned, store, job, look, 0).constant is constant


def test_a_run_that_leaves_no_areas_is_not_asked(tuned, planned):
    store, job = tuned
    (store.directory(job) / "iou.json").write_text(json.dumps(areas((70, 100), (0, 20), (0, 10))))
    assert tabulate.observation(planned, store, job, store.look(job), 0).constant is False


def test_a_loss_that_is_no_number_is_a_failure_and_its_class_is_below_the_table(place, planned, capsys):
    place.fail("byol.r1", "diverged")
    assert cli.main(["run", "1", "--profile", "toy.yaml", "--cluster", "debug", "--only", "byol"]) == 1
    assert "diverged: iteration 3: loss nan on images 1.jpg. Lower the learning rate." in capsys.readouterr().err
    assert cli.main(["table", "1", "--profile", "toy.yaml"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "(1/2)" in told
    assert "Failed (diverged): runs/transfer/voc_detection.byol.r1-" in told
