"""What keeps a table from being comparable with the published one is said, and nothing else."""

import importlib
import os
import time

import pytest
from commanding import output

from harness import cli


def test_a_protocol_given_up_is_marked_on_the_table(planned, capsys):
    assert "with another batch" not in output(capsys, "table", "1")
    text = " ".join(output(capsys, "table", "1", "--set", "transfer.waive=[batch]").split())
    assert "Not comparable with the published numbers: profile toy.yaml" in text
    assert "; voc_detection with another batch." in text


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        ("real", (), None),
        ("real", ("--set", "pretrain.train.workers=3"), None),
        ("scenes", (), "generated scenes"),
        ("real", ("--pretrain-images", "mine"), "pre-trained on other images"),
        ("real", ("--set", "byol.train.epochs=3"), "profile paper + overrides"),
    ],
)
def test_what_departs_from_the_paper_is_said_and_nothing_else(place, capsys, data, options, said):
    write = importlib.import_module("transfer.scenes.write")
    write.write(place.folder / "real", spec(), lambda step, total: None)
    write.write(place.folder / "scenes", spec(), lambda step, total: None)
    (place.folder / "real" / write.DONE).unlink()
    (place.folder / "mine").mkdir()
    (place.folder / "mine" / "1.jpg").touch()
    assert cli.main(["table", "1", "--profile", "paper", "--data", data, *options]) == 0
    warning = f"- Not comparable with the published numbers: {said}.\n"
    text = capsys.readouterr().out
    assert (warning in text) if said else ("Not comparable" not in text)


def test_a_part_of_the_data_is_not_comparable_and_counted_once(place, capsys):
    write, data = (importlib.import_module(name) for name in ("transfer.scenes.write", "transfer.data"))
    real = place.folder / "real"
    write.write(real, spec(), lambda step, total: None)
    (real / write.DONE).unlink()
    (real / "voc.txt").write_text("part")
    for path in (real, *real.rglob("*")):
        os.utime(path, (time.time() - 100, time.time() - 100))
    for _ in range(2):
        assert cli.main(["table", "1", "--profile", "paper", "--data", "real"]) == 0
        warning = "Not comparable with the published numbers: voc VOC2007/test has 4 images of 4952."
        assert warning in capsys.readouterr().out
    assert data.counts.calls == 1


def spec():
    return importlib.import_module("transfer.scenes.spec").SceneSpec()


def test_a_file_called_paper_is_not_the_papers_profile(place, planned, capsys):
    (place.folder / "paper.yaml").write_text("extends: paper\n")
    assert cli.main(["table", "1", "--profile", "paper.yaml", "--data", str(planned.source.root)]) == 0
    assert "Not comparable with the published numbers: profile paper.yaml; generated scenes." in capsys.readouterr().out
