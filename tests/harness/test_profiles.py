"""Profiles and ``--set``."""

import pytest

from ground.errors import ConfigError
from harness import profiles
from harness.plan import Request, build


@pytest.mark.parametrize("name", ["mini", "paper", "smoke"])
def test_every_recipe_and_task_fits_every_scale(name):
    """On the real rooms."""
    profile = profiles.load(name)
    for recipe in profiles.recipe_names():
        assert profile.recipe(recipe).recipe == recipe
    for task in profiles.task_names():
        assert profile.task(task).name == task
    if name == "smoke":  # measured: they differ twofold
        assert set(profile.seconds.tasks) == set(profiles.task_names())
    assert (profile.scenes is None) is (name == "paper")
    assert profile.scenes is None or profile.scene_spec().coco.train2017 > 0


@pytest.mark.usefixtures("place")
class TestOnFakeRooms:
    """Profiles over the recipes of ``rooms/``."""

    def test_set_reaches_every_recipe_one_recipe_and_a_task(self):
        profile = profiles.load(
            "bare.yaml", ["pretrain.train.epochs=2", "byol.train.epochs=7", "voc_detection.schedule.iterations=50"]
        )
        assert profile.recipe("byol").train.epochs == 7
        assert profile.recipe("pixcon-sr").train.epochs == 2
        assert profile.task("voc_detection").schedule.iterations == 50
        assert profile.changes.startswith("overrides: pretrain.train.epochs=2, byol")

    def test_set_for_all_that_loses_against_the_profiles_own_values_is_said(self, place):
        own = "recipes: {byol: {train: {epochs: 9}}}\ntasks: {voc_detection: {schedule: {iterations: 7}}}\n"
        (place.folder / "own.yaml").write_text((place.folder / "toy.yaml").read_text() + own)
        options = ["pretrain.train.epochs=2", "transfer.schedule.iterations=3", "pretrain.train.threads=2"]
        assert profiles.load("own.yaml", options).outweighed == {
            options[0]: {"byol": "9"},
            options[1]: {"voc_detection": "7"},
        }
        assert profiles.load("own.yaml", [*options[:1], "byol.train.epochs=2"]).outweighed == {}
        assert profiles.load("own.yaml", ["pretrain.train.epochs=9"]).outweighed == {}
        request = Request(tables=("1",), profile="own.yaml", overrides=tuple(options[:1]), recipes=("byol",))
        assert (
            "--set pretrain.train.epochs=2 does not reach, for the profile's own values: byol (9)"
            in build(request).remarks
        )
        other = Request(tables=("1",), profile="own.yaml", overrides=tuple(options[:1]), recipes=("pixcon-sr",))
        assert build(other).outweighed == []

    def test_a_guess_for_a_task_that_does_not_exist_is_refused(self, place):
        (place.folder / "odd.yaml").write_text("description: x\nseconds: {pretrain: 1, transfer: 1, tasks: {voc: 3}}\n")
        with pytest.raises(ConfigError, match=r"`seconds\.tasks\.voc` does not exist"):
            profiles.load("odd.yaml")

    def test_set_reaches_every_task_and_the_scenes(self):
        profile = profiles.load("bare.yaml", ["transfer.threads=3", "scenes.seed=5"])
        assert profile.task("voc_detection").threads == 3
        assert profile.scene_spec().seed == 5

    @pytest.mark.parametrize(
        ("option", "line"),
        [
            (
                "byoll.train.epochs=2",
                r"--set byoll.*`byoll` is no recipe, task or section of a profile\. Did you mean `byol`\?",
            ),
            ("recipes.byoll.train.epochs=2", r"bare\.yaml: `recipes\.byoll` does not exist\. Did you mean `byol`\?"),
            ("pretrain.train.epochs", r"--set pretrain\.train\.epochs: is not of the form SECTION.FIELD=VALUE"),
            ("pretrain=2", r"is not of the form SECTION.FIELD=VALUE"),
            ("byol.train.epochs=[", r"the value is not valid YAML"),
            ("byol.train.epochs=1,byol.train.workers=2", r"holds several settings\. Write one --set for each\."),
            ("a=1,b=2", r"holds several settings\. Write one --set for each\."),
            ("workers.a=2", r"`workers` is no recipe"),
        ],
    )
    def test_a_bad_option_is_one_line(self, option, line):
        with pytest.raises(ConfigError, match=line) as error:
            profiles.load("bare.yaml", [option])
        assert "\n" not in str(error.value)

    def test_a_typo_in_a_setting_is_found_when_the_recipe_is_resolved(self):
        with pytest.raises(ConfigError, match=r"recipe `byol`: unknown field `train\.epoch`\. Did you mean `epochs`\?"):
            profiles.load("bare.yaml", ["byol.train.epoch=2"]).recipe("byol")

    def test_a_profile_may_be_a_file_that_extends_another(self, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text("extends: paper\ndescription: mine\nrecipes: {byol: {train: {epochs: 3}}}\n")
        profile = profiles.load(str(path))
        assert (profile.name, profile.description, profile.recipe("byol").train.epochs) == ("mine.yaml", "mine", 3)
        assert profile.seconds == profiles.load("paper").seconds

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (
                "descripton: x\nextends: paper\n",
                r"mine\.yaml: unknown field `descripton`\. Did you mean `description`\?",
            ),
            ("a: [", "not valid YAML"),
            ("extends: 5\n", r"mine\.yaml: field `extends` = 5: is not a name"),
            ("extends: ''\n", r"profiles ``: unknown"),
            ("extends: paper\npretrain: 5\n", r"mine\.yaml: field `pretrain` = 5"),
        ],
    )
    def test_a_bad_file_is_one_line(self, tmp_path, text, line):
        (tmp_path / "mine.yaml").write_text(text)
        with pytest.raises(ConfigError, match=line):
            profiles.load(str(tmp_path / "mine.yaml"))

    def test_a_profile_without_scenes_needs_data(self):
        with pytest.raises(ConfigError, match="--data"):
            profiles.load("bare.yaml").scene_spec()
