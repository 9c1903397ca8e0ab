"""The commands about weights."""

import json

import pytest
import torch

from ground.backbones import build
from harness import cli, subcommands
from transfer.weights import imported
from transfer.weights.exporting import LAYOUTS, loading
from transfer.weights.formats import FORMATS


@pytest.fixture
def file(tmp_path):
    """A MoCo checkpoint of a small network."""
    torch.manual_seed(2)
    net = build("resnet10_w32")
    with torch.no_grad():
        net(torch.randn(2, 3, 64, 64))
    network = {f"module.{who}.{n}": t for who in ("encoder_q", "encoder_k") for n, t in net.state_dict().items()}
    path = tmp_path / "moco.pth.tar"
    torch.save({"epoch": 200, "state_dict": network | {"module.queue": torch.ones(3)}}, path)
    return path


def test_the_command_line_offers_every_format_and_layout():
    assert set(subcommands.WEIGHTS_FORMATS) == {each.name for each in FORMATS}
    assert set(subcommands.WEIGHTS_LAYOUTS) == set(LAYOUTS)


def test_a_file_is_looked_into(file, capsys):
    assert cli.main(["weights", "inspect", str(file)]) == 0
    told = capsys.readouterr().out
    assert "format     moco: MoCo, its student\n" in told
    assert "backbone   72 tensors below `module.encoder_q.`, torchvision's names\n" in told
    assert "norms      12, 0 at their initial statistics; means up to " in told
    assert "not taken  module.encoder_k (72), module.queue (1), epoch\n" in told
    assert told.endswith("gate       passes as resnet10_w32\n")


def test_what_was_looked_into_is_json_for_scripts(file, capsys):
    assert cli.main(["weights", "inspect", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = imported(file)
    assert (told["network"], told["refused"]) == ("resnet10_w32", None)
    assert (told["sha256"], told["tensors_sha256"]) == (found.file_sha256, found.tensors_sha256)


def test_a_file_that_would_be_refused_says_why_and_gives_2(tmp_path, capsys):
    torch.save(build("resnet10_w32").state_dict(), tmp_path / "random.pth")
    assert cli.main(["weights", "inspect", str(tmp_path / "random.pth")]) == 2
    assert "gate       refused: was this trained? Mean 0 and variance 1" in capsys.readouterr().out
    assert cli.main(["weights", "inspect", str(tmp_path / "random.pth"), "--untrained"]) == 0


def test_a_file_is_imported_and_exported(file, tmp_path, capsys):
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.pkl"
    assert cli.main(["weights", "import", str(file), str(ours)]) == 0
    told = capsys.readouterr().out
    assert f"{ours}: resnet10_w32, 72 tensors below `module.encoder_q.` of moco.pth.tar (moco)\n" in told
    assert "not taken: module.encoder_k (72)" in told
    assert cli.main(["weights", "export", str(ours), str(theirs), "--to", "detectron2"]) == 0
    assert "load it there: no stock model of detectron2 has the shape of resnet10_w32" in capsys.readouterr().out
    assert loading("detectron2", "resnet50").startswith("MODEL.WEIGHTS: FILE")
    assert loading("safetensors", "resnet10_w32") == "--weights FILE, here"
    assert imported(theirs).tensors_sha256 == imported(file).tensors_sha256


def test_a_file_that_is_there_is_written_over_only_by_force(file, tmp_path, capsys):
    (tmp_path / "ours.safetensors").write_text("precious")
    arguments = ["weights", "import", str(file), str(tmp_path / "ours.safetensors")]
    assert cli.main(arguments) == 2
    assert "ours.safetensors: exists. Name another file, or write over it with --force." in capsys.readouterr().err
    assert (tmp_path / "ours.safetensors").read_text() == "precious"
    assert cli.main([*arguments, "--force"]) == 0
    assert imported(tmp_path / "ours.safetensors").network == "resnet10_w32"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["import", "{file}", "x.pth"], "x.pth: is no name for a safetensors file"),
        (["import", "{file}", "{folder}"], "is a folder. Name a file."),
        (["export", "{file}", "x.pth", "--to", "detectron2"], "x.pth: detectron2 knows its weights by .pkl."),
        (["inspect", "{file}", "--prefix", "nothing."], "has no ResNet below `nothing.`"),
        (["inspect", "{folder}"], "is a folder without backbone.safetensors"),
        (["inspect", "none.pth"], "none.pth: no such file. Correct the path."),
    ],
)
def test_what_cannot_be_done_is_one_line(file, tmp_path, capsys, arguments, line):
    filled = [each.format(file=file, folder=tmp_path) for each in arguments]
    assert cli.main(["weights", *filled]) == 2
    errors = capsys.readouterr().err
    assert line in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(("wrong", "right"), [("--format=mocco", "moco"), ("--to=mmsegg", "mmseg")])
def test_a_typo_names_the_nearest_word(capsys, wrong, right):
    with pytest.raises(SystemExit):
        cli.main(["weights", "export", "a", "b", wrong])
    assert f"Did you mean `{right}`?" in capsys.readouterr().err
