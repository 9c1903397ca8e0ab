from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ground.progress import silent
from transfer.scenes.spec import Ade20k, Cityscapes, Coco, SceneSpec, Voc2007, Voc2012
from transfer.scenes.write import write

SPEC = SceneSpec(
    seed=7,
    shorter=(60, 72),
    scale=(0.2, 0.55),
    coco=Coco(train2017=12, val2017=4, unlabeled2017=3),
    voc2007=Voc2007(trainval=4, test=3),
    voc2012=Voc2012(train=3, val=2, aug=3),
    cityscapes=Cityscapes(train=3, val=2),
    ade20k=Ade20k(training=3, validation=2),
)


@pytest.fixture(scope="session")
def spec() -> SceneSpec:
    return SPEC


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A whole small set; not to be changed."""
    root = tmp_path_factory.mktemp("scenes") / "set"
    write(root, SPEC, silent)
    return root


@pytest.fixture
def copy(scenes, tmp_path) -> Path:
    """A copy of the set, to be broken."""
    return Path(shutil.copytree(scenes, tmp_path / "copy"))
