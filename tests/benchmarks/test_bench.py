"""`harness bench` at toy size on the CPU: what it writes, never how fast it was."""

import gc
import json
import math
import re
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import published, registry, report, step, training
from benchmarks.base import Options, Section, Spread, alternately, ratio, seconds
from benchmarks.step import PUBLISHED
from benchmarks.timing import Timed
from benchmarks.training import build, settings, trained
from benchmarks.work import of_step
from harness import cli

CPU = torch.device("cpu")
TOY = Options(size="toy", device="cpu", repeats=2)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    """``bench(*arguments)``: the exit code, the JSON and the Markdown."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = cli.main(["bench", *arguments, "--size", "toy", "--device", "cpu", "--repeats", "2", "--out", "out"])
        (data,) = Path("out").glob("bench-*.json")
        assert capsys.readouterr().out == data.with_suffix(".md").read_text()
        return code, json.loads(data.read_text()), data.with_suffix(".md").read_text()

    yield run
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("name", list(registry.BENCHMARKS))
def test_every_benchmark_runs_and_gives_positive_numbers_in_the_columns_it_names(name, bench):
    code, found, text = bench(name)
    (section,) = found["sections"]
    assert (code, found["failures"], section["name"]) == (0, [], name)
    assert section["rows"]
    for row in section["rows"]:
        assert set(row) <= set(section["columns"])
        measured = [value["values"] for value in row.values() if isinstance(value, dict)]
        assert measured or name == "scaling"  # which simulates
        if row.get("part") != "the rest":
            assert all(number > 0 for values in measured for number in values)
    assert f"## {section['title']}" in text
    assert "Toy size" in text


def test_the_machine_and_the_revision_stand_in_both_files(bench):
    _, found, text = bench("ceilings")
    assert {"cpu", "cores", "gpu", "versions", "code", "time"} <= set(found["machine"])
    assert found["machine"]["versions"]["torch"] in text
    assert found["machine"]["cpu"] in text
    assert found["options"]["size"] == "toy"


def test_a_benchmark_that_fails_is_named_and_the_others_are_kept(bench, monkeypatch):
    plain = registry.measure_of
    monkeypatch.setattr(registry, "measure_of", lambda name: (lambda options: 1 / 0) if name == "keys" else plain(name))
    code, found, text = bench("keys", "rendering")
    assert code == 1
    assert found["failures"] == [{"name": "keys", "reason": "division by zero"}]
    assert [section["name"] for section in found["sections"]] == ["rendering"]
    assert "Failed: `keys`: division by zero" in text


def slow(rows, ended_by):
    """A benchmark that has so many rows when it ends so."""

    def measure(options):
        section = options.begin("slow", "Slow", ("a",))
        section.rows += [{"a": number} for number in range(rows)]
        raise ended_by

    return measure


def test_the_rows_of_a_benchmark_that_fails_later_are_kept_with_a_note(bench, monkeypatch):
    monkeypatch.setattr(registry, "measure_of", lambda name: slow(2, ZeroDivisionError("none")))
    code, found, _ = bench("keys")
    assert (code, found["failures"]) == (1, [{"name": "keys", "reason": "none"}])
    assert [section["rows"] for section in found["sections"]] == [[{"a": 0}, {"a": 1}]]
    assert found["sections"][0]["notes"][-1].startswith("It failed before its end")


def test_what_was_measured_before_stays_and_toys_lie_apart(tmp_path, capsys):
    arguments = ["bench", "scaling", "--device", "cpu", "--out", str(tmp_path)]
    for more in ([], [], ["--size", "toy"]):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert cli.main([*arguments, *more]) == 0
        assert {path: path.read_bytes() for path in before} == before
        assert "written: " in capsys.readouterr().err
    stem = f"bench-{report.label(report.machine('cpu'))}"
    assert {path.name for path in tmp_path.glob("*.json")} == {f"{stem}{end}.json" for end in ("", "-2", "-toy")}


def test_what_was_measured_until_ctrl_c_is_written_and_is_said_to_be(tmp_path, monkeypatch, capsys):
    plain = registry.measure_of
    fake = slow(2, KeyboardInterrupt())
    monkeypatch.setattr(registry, "measure_of", lambda name: fake if name == "keys" else plain(name))
    arguments = ["bench", "scaling", "keys", "rendering", "--size", "toy", "--device", "cpu", "--out", str(tmp_path)]
    assert cli.main(arguments) == 130
    (data,) = tmp_path.glob("bench-*.json")
    said = f"harness: stopped; what was measured until then is written: {data}, {data.with_suffix('.md')}"
    assert capsys.readouterr().err.splitlines()[-1] == said
    done, cut = json.loads(data.read_text())["sections"]
    assert (done["name"], cut["rows"]) == ("scaling", [{"a": 0}, {"a": 1}])
    assert cut["notes"] == ["It was stopped before its end: more rows, columns or repetitions were to come."]
    assert "It was stopped" in data.with_suffix(".md").read_text()


def test_ctrl_c_before_anything_was_measured_says_so_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(registry, "measure_of", lambda name: slow(0, KeyboardInterrupt()))
    assert cli.main(["bench", "keys", "--device", "cpu", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "harness: stopped; nothing was measured until then"
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_is_stopped_keeps_the_turns_until_then(monkeypatch):
    turns = iter([1.0, 2.0, 4.0])

    def turn(start, device):
        try:
            return Timed(Spread((next(turns),)), 2**30)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(step, "_turn", turn)
    monkeypatch.setattr(step, "_contenders", lambda *_: dict.fromkeys((PUBLISHED, step.OURS)))
    torch.set_num_threads(1)
    options = Options(size="toy", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        step.measure(options)
    theirs, ours = options.begun[0].rows
    assert (theirs["images/s"].values, ours["images/s"].values) == ((4.0, 1.0), (2.0,))
    assert ours["× published"].values == (0.5,)
    assert options.begun[0].notes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stepp"], "`step`"),
        (["step", "--recipes", "pixcon-ssr"], "pixcon-sr"),
        (["step", "--recipes", "random-init"], "does not train"),
        (["step", "--set", "pretrain.train.batchs=4"], "batch"),
        (["feeding", "--images", "nowhere"], "nowhere"),
        (["feeding", "--images", str(ROOT / "slurm")], "slurm"),
    ],
)
def test_what_is_misspelt_is_said_before_anything_is_measured(arguments, words, capsys):
    assert cli.main(["bench", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_list_names_every_benchmark_and_imports_nothing_heavy():
    code = "import sys; from harness import cli; cli.main(['bench', '--list']); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(registry.BENCHMARKS)
    assert lines[-1] == "False"


def test_every_recipe_that_trains_has_a_step_to_measure():
    torch.set_num_threads(1)
    for name in trained():
        made = build(settings(TOY, name, 4, CPU), CPU)
        views, _ = made.ready()
        assert {len(view) for view in views} == {4}
        assert len(views) == len(made.trainer.layout.shown)


def test_a_batch_larger_than_what_is_cut_repeats_it(monkeypatch):
    monkeypatch.setattr(training, "DISTINCT", 3)
    batch = build(settings(TOY, "pixcon-sr", 8, CPU), CPU).batch
    assert len(batch.indices) == 8
    assert torch.equal(batch.crops[0][:2], batch.crops[0][6:])


def test_the_arithmetic_of_a_step_is_the_networks_forth_and_back():
    """ResNet-50 takes 4.09e9 multiplications and additions an image of 224 pixels; a PixCon step passes it eight times:
    two views of the student, going back twice as dear, and two of the teacher."""
    torch.set_num_threads(1)
    work = of_step(Options(profile="paper"), "pixcon-sr", 1)
    network = 8 * 2 * 4.09e9
    assert network < work.flops < 1.15 * network


def test_floors_are_arithmetic_and_bytes_over_what_the_device_can_do():
    from benchmarks.work import Work

    assert Work(6e12, 3e9).floor(2e12, 1e9, "bf16") == (3.0, 6.0)


def test_a_published_step_is_measured_beside_ours_and_compared_turn_by_turn(tmp_path, bench, monkeypatch):
    (tmp_path / "published.py").write_text(
        "import torch\nRECIPES = ('pixcon-sr',)\n"
        "class Step:\n    def step(self, views, masks):\n"
        "        assert masks[0].dtype == torch.int64 and views[0].is_contiguous()\n"
        "        assert views[0].dtype == torch.float32\n"
        "        return torch.ones(64, 64) @ torch.ones(64, 64)\n"
        "def build(recipe, device, precision, batch):\n    return Step()\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "published", raising=False)
    code, found, _ = bench("step", "--official", str(tmp_path), "--recipes", "pixcon-sr,byol")
    rows = found["sections"][0]["rows"]
    assert (code, found["options"]["official"]) == (0, True)
    assert [row["recipe"] for row in rows if row["what"].startswith(PUBLISHED)] == ["pixcon-sr"]
    theirs, ours, whole = rows[:3]
    pairs = zip(ours["images/s"]["values"], theirs["images/s"]["values"], strict=True)  # one step a turn
    assert ours["× published"]["values"] == pytest.approx([a / b for a, b in pairs])
    assert "× published" not in whole  # it does more
    assert len(whole["images/s"]["values"]) == 1
    assert "× published" not in rows[-1]


def test_our_trainer_is_gone_when_the_published_step_is_built(monkeypatch):
    torch.set_num_threads(1)
    made, alive = [], []

    def built(*arguments):
        training = build(*arguments)
        made.append(weakref.ref(training.trainer))
        return training

    def theirs(*arguments):
        alive.append(made[0]())
        return SimpleNamespace(step=lambda views, masks: None)

    monkeypatch.setattr(published, "build", built)
    gc.disable()  # or it might go by chance
    try:
        published.step(SimpleNamespace(build=theirs), settings(TOY, "pixcon-sr", 4, CPU), CPU)
    finally:
        gc.enable()
    assert alive == [None]


def test_the_peak_of_several_turns_is_their_median():
    config = settings(TOY, "pixcon-sr", 4, CPU)
    turns = [Timed(Spread((1.0,)), peak * 2**30, peak * 2**30) for peak in (9, 2, 2)]
    row = step._row(config, CPU, step.OURS, turns)
    assert (row["peak GiB"], row["held GiB"]) == (2, 2)


def test_a_folder_without_a_published_step_is_refused(tmp_path, bench):
    code, found, _ = bench("step", "--official", str(tmp_path))
    assert code == 1
    assert "holds no published.py" in found["failures"][0]["reason"]


def test_a_spread_shows_its_middle_and_its_ends_and_ratios_are_turn_by_turn():
    assert str(Spread((2.0, 1.0, 4.0))) == "2 (1 to 4)"
    assert ratio(Spread((2.0, 9.0)), Spread((1.0, 3.0))).values == (2.0, 3.0)


def test_works_are_run_warm_and_in_turn():
    calls = []
    assert len(seconds(lambda: calls.append("x"), 3).values) == 3
    assert calls == ["x"] * 4
    calls.clear()
    found = alternately({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert [len(found[name].values) for name in "ab"] == [2, 2]


def test_a_table_leaves_out_columns_that_no_row_has_and_escapes_bars():
    section = Section("x", "X", ("a", "b", "c"), [{"a": "1|2"}, {"a": Spread((math.pi,)), "c": 2.0}])
    assert report.table(section) == ["| a | c |", "| --- | --- |", "| 1\\|2 |  |", "| 3.142 | 2 |"]


def test_the_files_name_says_what_did_the_arithmetic():
    assert report.label({"gpu": "NVIDIA H200", "cpu": "x"}) == "nvidia-h200"
    assert re.fullmatch(r"[a-z0-9-]+", report.label({"gpu": None, "cpu": "AMD EPYC 9B14 (TM)"}))


def test_no_published_code_is_asked_for_without_a_folder():
    assert published.load(None) is None
