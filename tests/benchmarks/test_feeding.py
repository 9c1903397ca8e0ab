"""The benchmark of loader and step together: what it times, what it asks for, and that it says what is simulated."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import delivery, feeding, report
from benchmarks.base import Options
from benchmarks.delivery import ROUNDS, StandIn, Turn, delivered, held
from benchmarks.input_pipeline import written
from benchmarks.training import build, settings
from ground.errors import DataError
from pretrain.views.pictures import Files

CPU = torch.device("cpu")
TOY = Options(size="toy", device="cpu", repeats=2)


@pytest.fixture
def training():
    torch.set_num_threads(1)
    yield build(settings(TOY, "pixcon-sr", 4, CPU), CPU)
    torch.use_deterministic_algorithms(False)


def loading(training, workers):
    train = training.config.train.model_copy(update={"workers": workers})
    training.trainer.config = training.config.model_copy(update={"train": train})
    return training.trainer


def test_whole_rounds_of_all_workers_are_timed_after_each_has_brought_one(training, tmp_path):
    taken = []
    turn = delivered(loading(training, 2), Files(written(tmp_path, 4)), taken.append)
    assert len(taken) == 2 + ROUNDS["cpu"] * 2
    assert 0 < turn.waiting <= 1
    assert turn.speed > 0
    assert turn.cores is None or 0 < turn.cores < 3


def test_a_picture_that_cannot_be_read_is_named(training, tmp_path):
    paths = written(tmp_path, 4)
    paths[2].write_bytes(b"")
    with pytest.raises(DataError, match=paths[2].name):
        delivered(loading(training, 1), Files(paths), lambda _: None)


def test_a_step_on_a_batch_that_is_ready_is_taken_warm():
    calls = []
    assert held(lambda: calls.append("x"), 4, CPU, 3).waiting == 0
    assert calls == ["x"] * 4


def test_a_stand_in_is_at_work_as_long_as_it_is_told_and_takes_no_second_batch_before(monkeypatch):
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(delivery, "time", clock)
    device, ends = StandIn(2.0), []
    for arrival in (1.0, 0.0, 10.0):
        now[0] = max(now[0], arrival)
        device(None)
        ends.append(now[0])
    assert ends == [3.0, 5.0, 12.0]


@pytest.fixture
def section(monkeypatch):
    """Of turns that are made up: the loader gives 300 images a second and core, and kept two of its cores at work."""
    torch.set_num_threads(1)
    asked = []

    def turn(trainer, pictures, use):
        assert len(pictures) >= trainer.config.train.batch
        if isinstance(use, StandIn):
            asked.append(trainer.config.train.batch / use.seconds)
        return Turn(600.0, 0.25, 2.0)

    monkeypatch.setattr(feeding, "delivered", turn)
    yield feeding.measure(TOY), asked
    torch.use_deterministic_algorithms(False)


def test_each_core_is_asked_for_what_each_would_give_a_gpu(section):
    found, asked = section
    on_a_gpu = 2368  # images/s at 512, the step by itself: docs/performance.md
    once = on_a_gpu * 2 / 15
    assert asked == pytest.approx([once, 2 * once] * 4, rel=1e-3)
    alone = [row for row in found.rows if row["who takes them"] == feeding.NOBODY]
    assert [(row["images"], row["resampler"]) for row in alone] == [("files", "torch"), ("kept", "torch")]
    margins = [row["margin"].values for row in found.rows if "margin" in row]
    assert margins[0] == pytest.approx([600 / asked[0]] * 2)
    assert margins[1] == pytest.approx([300 / asked[0]] * 2)
    assert alone[0]["images/s and core"].values == (300, 300)
    assert all(row["waiting, %"].median == 25 for row in found.rows if row["images"] != feeding.HELD[0])
    trained = next(row for row in found.rows if "of ready" in row)
    assert trained["who takes them"] == feeding.TRAINER


@pytest.mark.parametrize(("turns", "rows", "values"), [(0, 1, 1), (3, 4, 1), (8, 9, 1), (11, 9, 1), (17, 9, 2)])
def test_of_a_turn_that_is_stopped_nothing_stands_beside_whole_ones(turns, rows, values, monkeypatch):
    """A turn has eight deliveries at toy size, and before them the step on a batch that is ready."""
    torch.set_num_threads(1)
    left = iter(range(turns))

    def turn(*_):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return Turn(600.0, 0.25, 2.0)

    monkeypatch.setattr(feeding, "delivered", turn)
    options = Options(size="toy", device="cpu", repeats=3)
    with pytest.raises(KeyboardInterrupt):
        feeding.measure(options)
    torch.use_deterministic_algorithms(False)
    (section,) = options.begun
    assert len(section.rows) == rows
    assert {len(row["images/s"].values) for row in section.rows} == {values}
    assert any("3.3 bits a pixel" in note for note in section.notes)


def test_what_is_simulated_says_so_in_its_row_and_in_a_note(section):
    found, _ = section
    assert {row["who takes them"].startswith("simulated") for row in found.rows if "asked for, images/s" in row} == {
        True
    }
    assert any(note.startswith("Simulated: the stand-in") for note in found.notes)
    assert "pixcon-sr: 2368 images/s on one GPU, measured on NVIDIA H200, the step by itself." in found.notes


def test_what_is_asked_for_is_the_fastest_rate_that_the_documentation_has_of_the_step():
    documented = (Path(__file__).parents[2] / "docs/performance.md").read_text()
    section = documented.partition("## The training step on one H200")[2].partition("\n## ")[0]
    rates = [float(row.split("|")[3].split()[0]) for row in section.splitlines() if row.startswith("| 512 |")]
    assert feeding._gpu(TOY, "pixcon-sr").rate == max(rates)
    assert feeding._gpu(TOY, "byol").source != "measured on NVIDIA H200, the step by itself"


def test_photographs_are_read_where_a_folder_is_named_and_the_folder_stays_untold(tmp_path, monkeypatch):
    monkeypatch.setattr(feeding, "delivered", lambda *_: Turn(600.0, 0.25, None))
    torch.set_num_threads(1)
    folder = tmp_path / "photographs"
    folder.mkdir()
    written(folder, 5)
    options = Options(size="toy", device="cpu", repeats=1, images=str(folder))
    section = feeding.measure(options)
    torch.use_deterministic_algorithms(False)
    assert any(note.startswith("5 photographs, in the page cache") for note in section.notes)
    assert not any("cores at work" in row for row in section.rows)  # the system did not tell
    data, _ = report.write(tmp_path / "out", {**report.machine("cpu"), "code": None}, options, [section], [])
    assert json.loads(data.read_text())["options"]["images"] is True
    assert str(tmp_path) not in data.read_text()
