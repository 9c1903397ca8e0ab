"""The command line: answers, one-line errors, exit codes, and nothing heavy."""

import subprocess
import sys

import pytest

from ground.errors import DataError
from harness import cli
from harness.cluster import showing

TOY = ("--profile", "toy.yaml")
TYPOS = [
    (["statsu"], "unknown `statsu`. Did you mean `status`?"),
    (["run", "1", "--profil", "mini"], "unknown argument `--profil`. Did you mean `--profile`?"),
    (["plan", "--woker=3"], "unknown argument `--woker`. Did you mean `--workers`?"),
    (["run", "--rerun", "forse"], "unknown `forse`. Did you mean `force`?"),
    (["table", "--format", "latx"], "unknown `latx`. Did you mean `latex`?"),
    (["data", "scene", "x"], "unknown `scene`. Did you mean `scenes`?"),
    (["show", "recipes", "byol"], "unknown `recipes`. Did you mean `recipe`?"),
    (["recipes", "shwo", "byol"], "unknown `shwo`. Did you mean `show`?"),
    (["run", "--workers", "0"], "`0` is no positive number"),
    ([], "the following arguments are required: COMMAND. see harness --help"),
]


@pytest.mark.parametrize(("arguments", "line"), TYPOS)
def test_a_typo_is_one_line_with_the_nearest_word(arguments, line, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    errors = capsys.readouterr().err
    assert end.value.code == 2
    assert errors.startswith("harness: error: ")
    assert errors.count("\n") == 1
    assert line in errors


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["plan", "9", *TOY], "tables `table9`: unknown."),
        (["plan", "--profile", "papr"], "profiles `papr`: unknown. Did you mean `paper`?"),
        (["plan", "--profile", "no/such.yaml"], "no/such.yaml: no such file."),
        (["plan", "--profile", "bare.yaml"], "--data: profile `bare.yaml` does not run on generated scenes."),
        (["plan", *TOY, "--data", "nowhere"], "nowhere: no such folder."),
        (
            ["plan", *TOY, "--set", "byol.train.epoch=1"],
            "recipe `byol`: unknown field `train.epoch`. Did you mean `epochs`?",
        ),
        (["run", "--cluster", "jz"], "--cluster jz: there is no such cluster. Choose from: debug, local."),
        (["plan", *TOY, "--gpus", "4"], "--gpus: `--cluster local` is this machine, which is reckoned with as it is"),
        (["run", "--detach"], "--detach: `--cluster local` ends with this process. Leave it out."),
        (["recipes", "show", *TOY], "recipes show: names no recipe. Write e.g. harness recipes show pixcon-sr"),
        (["recipes", "show", "byoll", *TOY], "recipe `byoll`: unknown. Did you mean `byol`?"),
        (["show", "recipe", "byoll", *TOY], "recipe `byoll`: unknown. Did you mean `byol`?"),
        (["data", "check", "nowhere", *TOY], "nowhere: no such folder."),
        (["table", *TOY, "--out", "table.doc"], "--out table.doc: the file's suffix names no format."),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(place, arguments, line, capsys):
    assert cli.main(arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"harness: error: {line}")
    assert errors.count("\n") == 1


def test_every_command_explains_itself(capsys):
    for command in ("run", "plan", "status", "table", "recipes", "show", "data scenes", "data check"):
        with pytest.raises(SystemExit) as end:
            cli.main([*command.split(), "--help"])
        assert end.value.code == 0
        assert "usage: harness" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "handler", "words"),
    [
        (["run"], "harness.commands.run", "; run again to go on from here"),
        (["plan"], "harness.commands.show_plan", ""),
        (["data", "check", "data"], "harness.data_check.check_data", "; nothing of the check is kept, run again to "),
    ],
)
def test_ctrl_c_outside_of_jobs_is_130_and_says_what_is_kept(monkeypatch, capsys, arguments, handler, words):
    def stop(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(handler, stop)
    assert cli.main(arguments) == 130
    errors = capsys.readouterr().err
    assert errors.startswith(f"harness: stopped{words}")
    assert errors.count("\n") == 1
    assert ("run again" in errors) == bool(words)


def test_an_error_of_any_room_is_one_line(monkeypatch, capsys):
    def fail(options):
        raise DataError("a/b.jpg", "is truncated", "Replace it.")

    monkeypatch.setattr(showing, "show_status", fail)
    assert cli.main(["status"]) == 2
    assert capsys.readouterr().err == "harness: error: a/b.jpg: is truncated. Replace it.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["status"], ["plan"], ["recipes"], ["show", "task", "voc_detection"]),
        ["plan", "--only", "byol", "--set", "byol.inputs.proposals={kind: selective_search}"],
    ],
)
def test_commands_that_run_nothing_import_nothing_heavy(arguments, tmp_path):
    """On the real rooms: whatever they do when they are asked what there is."""
    code = (
        "import sys\nfrom harness import cli\ntry:\n    cli.main(sys.argv[1:])\nexcept SystemExit:\n    print()\n"
        "print('LOADED', *sys.modules)"
    )
    command = [sys.executable, "-c", code, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = set(answer.stdout.partition("LOADED")[2].split())
    heavy = {"torch", "torchvision", "pandas", "numpy", "scipy", "submitit", "rich", "detectron2"}
    assert answer.stdout.partition("LOADED")[0].strip()
    assert "harness.cli" in loaded
    assert not loaded & heavy


def test_recipes_and_settings_are_listed_and_shown(place, capsys):
    assert cli.main(["recipes", *TOY]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["byol", "BYOL", *"123", "coco", "a", "toy", "2", *"+28"]
    assert cli.main(["show", "recipe", "byol", "--set", "byol.train.epochs=7", *TOY]) == 0
    assert "epochs: 7" in capsys.readouterr().out
    assert cli.main(["show", "profile", "toy.yaml"]) == 0
    assert "name: toy" in capsys.readouterr().out


def test_scenes_are_generated(place, capsys):
    assert cli.main(["data", "scenes", "made", *TOY]) == 0
    assert capsys.readouterr().out == "made: whole\n"
    assert (place.folder / "made" / "voc.txt").is_file()


def test_each_folder_of_images_is_named_by_itself():
    options = cli._parser().parse_args(["run", "--pretrain-images", "a", "--pretrain-images", "b", "2"])
    assert (options.pretrain_images, options.tables) == (["a", "b"], ["2"])


@pytest.mark.parametrize("value", ["5", "[1, 2]", "null", "{1: 2}", "2020-01-01", "!!binary //8=", ".nan"])
@pytest.mark.parametrize(
    "path",
    [
        *("pretrain", "recipes", "tasks", "scenes", "byol", "recipes.byol", "tasks.voc_detection", "pretrain.train"),
        *("pretrain.train.threads", "byol.model.backbone", "transfer.threads", "scenes.seed", "scenes.seed.x"),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(place, path, value, capsys):
    for command in (["plan"], ["show", "profile", "toy.yaml"]):
        code = cli.main([*command, *TOY, "--set", f"{path}={value}"])
        assert code == 2 or (code == 0 and not capsys.readouterr().err)
        assert capsys.readouterr().err.count("\n") <= 1


def test_a_store_that_is_no_folder_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["plan", "1", "--store", str(tmp_path / "file" / "runs")]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "is no folder. Name another place" in errors


def test_a_store_that_is_none_is_said(place, planned, capsys):
    (place.folder / "empty").mkdir()
    for store, words in (("rnus", "there is no such store"), ("empty", "is no run store, or an empty one")):
        for command in ("status", "table"):
            assert cli.main([command, "1", *TOY, "--store", store]) == 0
            assert capsys.readouterr().err == f"{store}: {words}\n"


def test_a_store_where_no_folder_can_be_made_is_one_line(planned, capsys):
    assert cli.main(["run", "1", *TOY, "--store", "/proc/nope"]) == 2
    assert "no folder can be made there. Choose another place." in capsys.readouterr().err
