"""The work behind inputs is found by its kind."""

import pytest

from ground.errors import ConfigError
from ground.progress import silent
from pretrain import prepare
from pretrain.inputs import SelectiveSearch

CONFIG = SelectiveSearch(kind="selective_search")


def test_the_kind_says_what_does_the_work(monkeypatch, tmp_path):
    def work(config, **keywords):
        return {"seed": keywords["seed"], "own": config is CONFIG, "places": keywords["inputs"] | {"": keywords["out"]}}

    monkeypatch.setattr(prepare, "WORK", {"selective_search": work})
    made = prepare.run(CONFIG, seed=3, inputs={"weights": tmp_path}, folders=[], out=tmp_path, report=silent)
    assert made == {"seed": 3, "own": True, "places": {"weights": tmp_path, "": tmp_path}}


def test_work_that_nobody_can_do_is_refused_and_not_pretended(monkeypatch, tmp_path):
    monkeypatch.setattr(prepare, "WORK", {})
    with pytest.raises(ConfigError, match="input `selective_search`: nothing here can make it"):
        prepare.run(CONFIG, seed=0, inputs={}, folders=[], out=tmp_path)
    assert list(tmp_path.iterdir()) == []
