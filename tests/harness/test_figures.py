"""``harness figure`` with the real rooms: untrained networks on a handful of generated scenes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from place import FEW

from ground.errors import ConfigError
from harness import cli, figure_images, figures, plan
from harness.plan import Request


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A folder with a profile of a few scenes and a picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "few.yaml").write_text(FEW)
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    return tmp_path


def test_figure_1_runs_what_it_lacks_and_draws_our_and_other_weights(few, capsys):
    arguments = ["figure", "1", "--profile", "few.yaml", "--side", "64"]
    assert cli.main([*arguments, "--only", "random-init"]) == 0
    assert capsys.readouterr().out.split() == [f"out/figure1.{suffix}" for suffix in ("png", "pdf", "json")]
    numbers = json.loads((few / "out/figure1.json").read_text())
    assert len(numbers["pictures"]) == 4
    assert all(each["similarities"]["random init"]["least"] <= 1 for each in numbers["pictures"])
    (run,) = (few / "runs/pretrain").iterdir()
    outputs = json.loads((run / "record.json").read_text())["outputs"]
    assert numbers["weights"] == {"random init": outputs["backbone.safetensors"]}

    other = ["--weights", f"mine={run / 'backbone.safetensors'}", "--images", "photo.png", "--out", "a.json"]
    assert cli.main([*arguments, *other, "--pixels", "0,0", "--pixels", "79,59"]) == 0
    pictures = json.loads((few / "a.json").read_text())["pictures"]
    assert [each["similarities"]["mine"]["cell"] for each in pictures] == [[0, 0], [1, 1]]


def test_objects_are_marked_on_the_object(few):
    wanted = plan.pretrainings(Request(tables=(), profile="few.yaml"), ["random-init"])
    wanted.source.generate(lambda step, total, **numbers: None)
    marked = figure_images.chosen([], wanted, 3)
    assert len({each.path for each in marked}) == 3
    labels = json.loads((wanted.source.root / figure_images.LABELS).read_text())
    numbers = {image["file_name"]: image["id"] for image in labels["images"]}
    for each in marked:
        things = [a for a in labels["annotations"] if a["image_id"] == numbers[each.path.name] and not a["iscrowd"]]
        x, y, w, h = max(things, key=lambda thing: thing["area"])["bbox"]
        assert x <= each.pixel[0] < x + w
        assert y <= each.pixel[1] < y + h
    (again,) = figure_images.chosen([marked[1].path], wanted, 3)
    assert again == figure_images.Marked(marked[1].path, marked[1].pixel)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["1", "--images", "gone.jpg"], "--images gone.jpg: no such file"),
        (["1", "--pixels", "1,2"], "goes with no picture"),
        (["1", "--images", "photo.png", "--pixels", "1;2"], "is not of the form X,Y"),
        (["1", "--images", "photo.png", "--pixels", "80,5"], "lies outside photo.png, which has 80 x 60 pixels"),
        (["1", "--images", "photo.png", "--images", "photo.png", "--pixels", "1,1"], "1 pixels for 2 pictures"),
        (["1", "--images", "few.yaml", "--pixels", "1,1"], "few.yaml: cannot be decoded"),
        (["1", "--weights", "DINO"], "is not of the form NAME=FILE"),
        (["1", "--weights", "DINO=gone.pth"], "no file gone.pth"),
        (["1", "--out", "figure.gif"], "names no format of figures"),
        (["2", "--only", "pixcon-sr,byol"], "Figure 2 shows one recipe"),
        (["2", "--only", "random-init"], "trains nothing"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(few, capsys, arguments, problem):
    if "--weights" not in arguments and arguments[0] == "1":
        arguments = [*arguments, "--only", "random-init"]
    assert cli.main(["figure", *arguments, "--profile", "few.yaml"]) == 2
    assert problem in capsys.readouterr().err


def test_figure_2_asks_for_snapshots_unless_told_and_they_change_no_key():
    wanted = Request(tables=(), profile="laptop")
    assert figures.keeping(wanted, "pixcon-sr").overrides == ("pretrain.train.snapshot_epochs=10",)
    told = Request(tables=(), profile="laptop", overrides=("pixcon-sr.train.snapshot_epochs=5",))
    assert figures.keeping(told, "pixcon-sr") == told
    assert figures.keeping(Request(tables=(), profile="smoke"), "byol").overrides[0].endswith("=1")


def test_epochs_are_those_kept_those_asked_for_or_the_last(tmp_path, capsys):
    from pretrain import recipes
    from pretrain.model.student_teacher import StudentTeacher
    from pretrain.training.export import export_snapshot

    settings = {"model": {"backbone": "resnet10_w32", "branches": {"*": {"queue": 32}}}}
    model = StudentTeacher(recipes.resolve("byol", settings).model)
    torch.save({"model": model.state_dict()}, tmp_path / "checkpoint.pt")
    assert list(figures.epochs(tmp_path, 8, None)) == ["epoch 8"]
    assert "no snapshots were kept; the last epoch alone is shown (--rerun force" in capsys.readouterr().err
    for epoch in (0, 4, 8):
        export_snapshot(tmp_path, epoch, model)
    assert list(figures.epochs(tmp_path, 8, None)) == ["epoch 0", "epoch 4", "epoch 8"]
    assert list(figures.epochs(tmp_path, 8, "0, 8")) == ["epoch 0", "epoch 8"]
    with pytest.raises(ConfigError, match=r"not kept\. Kept are: 0, 4, 8"):
        figures.epochs(tmp_path, 8, "0,5")


def test_a_match_is_drawn_from_cell_centre_to_cell_centre_with_student_and_teacher(few):
    from pretrain import recipes
    from pretrain.inspect import images

    def student(views):
        return torch.eye(4).view(1, 4, 2, 2)  # four cells, four directions

    def teacher(views):
        return torch.eye(4).flip(0).view(1, 4, 2, 2)  # the same from the last to the first

    views = images.views(recipes.resolve("pixcon-sr", {}), few / "photo.png", seed=0, side=64, share=0.1)
    views.in_box[:] = torch.tensor([[True, False], [False, False]])
    block, said = figures.matched(views, {"epoch 1": (student, teacher)})
    (line,) = block.epochs[0].lines
    assert (line.query, line.key, line.similarity) == ((16.0, 16.0), (48.0, 48.0), 1.0)
    assert said["weakest"]["epoch 1"] == [{"query": (0, 0), "key": (1, 1), "similarity": 1.0}]


TRAINED = """
pretrain:
  views: {size: 64}
  model: {branches: {"*": {queue: 16, group: 4}}}
  train: {epochs: 2, batch: 4}
"""


def test_figure_2_from_nothing_shows_a_training_from_its_start_and_says_the_same_again(few):
    (few / "few.yaml").write_text(FEW + TRAINED)
    arguments = ["figure", "2", "--profile", "few.yaml", "--side", "128", "--workers", "1"]
    assert cli.main(arguments) == 0
    numbers, drawn = (few / "out/figure2.json").read_text(), (few / "out/figure2.png").read_bytes()
    one, other = json.loads(numbers)["pictures"]
    assert list(one["weakest"]) == ["epoch 0", "epoch 1", "epoch 2"]
    for pairs in (*one["weakest"].values(), *other["weakest"].values()):
        assert [pair["similarity"] for pair in pairs] == sorted(pair["similarity"] for pair in pairs)
        assert 0 < len(pairs) <= figures.WEAKEST
    assert one["weakest"]["epoch 0"] != one["weakest"]["epoch 2"]
    assert cli.main(arguments) == 0
    assert ((few / "out/figure2.json").read_text(), (few / "out/figure2.png").read_bytes()) == (numbers, drawn)
    assert cli.main([*arguments, "--epochs", "2", "--draw", "1", "--out", "other.json"]) == 0
    assert list(json.loads((few / "other.json").read_text())["pictures"][0]["weakest"]) == ["epoch 2"]
