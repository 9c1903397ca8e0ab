"""ORL's recipe: its patches are cut where stage 2 says, it trains, and it is refused without what it rests on."""

import hashlib
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ground.config import Contradiction
from ground.errors import ConfigError, DataError
from ground.seeding import generator
from pretrain import recipes
from pretrain.branches.object_pairs import TERMS
from pretrain.model.student_teacher import StudentTeacher
from pretrain.prepare.found import Found
from pretrain.prepare.ragged import Ragged
from pretrain.run import BACKBONE, run
from pretrain.training.export import NETWORK, export_network
from pretrain.view_config import OBJECTS
from pretrain.views.boxes import ious
from pretrain.views.dataset import ViewsDataset
from pretrain.views.pictures import Files
from pretrain.views.registry import build_layout

SIZE = (64, 48)
PATCHES = {"views": {"extra": {"size": 32}}}


def made(folder, images, boxes=2, neighbours=2):
    """A finding: ``boxes`` regions an image, its neighbours the next images, region 0 like their last region."""
    rng = np.random.default_rng(0)
    rows = [np.stack([[*rng.integers(0, 20, 2), 20 + n, 16] for n in range(boxes)]) for _ in range(images)]
    near = np.array([[(index + 1 + n) % images for n in range(neighbours)] for index in range(images)], dtype=np.int32)
    pairs = [np.array([[0, boxes - 1]] * neighbours, dtype=np.uint16)] * images
    Found(Ragged.stack([row.astype(np.uint16) for row in rows]), near, Ragged.stack(pairs)).save(folder)
    return {OBJECTS: folder}, rows


def test_patches_are_cut_where_stage_two_says(tiny, tmp_path):
    inputs, rows = made(tmp_path, images=5, boxes=3)
    views = tiny("orl").views
    layout = build_layout(views, inputs)
    assert [shown.size for shown in layout.shown] == [64, 64, 96, 96, 96, 96]
    assert [shown.photometric for shown in layout.shown] == [views.first, views.second] * 3
    seen, flips = Counter(), []
    for epoch in range(400):
        cuts = layout.cut(generator("view", 0, epoch, 2), 2, SIZE)
        assert [cut.image for cut in cuts[:5]] == [None] * 5
        intra, moved, inter, there = ([c.crop.x, c.crop.y, c.crop.w, c.crop.h] for c in cuts[2:])
        assert moved == intra or ious(np.array([moved]), np.array(intra))[0] > 0.5
        assert min(moved[:2]) >= 0
        assert np.all(np.add(moved[:2], moved[2:]) <= SIZE)
        assert inter == rows[2][0].tolist()
        assert there == rows[cuts[5].image][2].tolist()
        seen[rows[2].tolist().index(intra), cuts[5].image] += 1
        flips.append([cut.crop.flip for cut in cuts])
    assert set(seen) == {(region, image) for region in range(3) for image in (3, 4)}
    assert min(seen.values()) > 40  # of 400 / 6: three and a half deviations
    assert np.allclose(np.mean(flips, axis=0), 0.5, atol=0.1)


def test_a_sample_has_a_patch_of_the_neighbour(tiny, tmp_path):
    paths = [tmp_path / f"{level}.png" for level in (10, 80, 150)]
    for path in paths:
        Image.new("RGB", SIZE, (int(path.stem),) * 3).save(path)
    inputs, _ = made(tmp_path, images=3, neighbours=1)
    dataset = ViewsDataset(Files(paths), build_layout(tiny("orl", PATCHES).views, inputs), 2, seed=0)
    pixels = dataset[[(0, 1)]].crops
    assert [view.unique().tolist() for view in pixels] == [[80]] * 5 + [[150]]
    assert [view.shape for view in pixels] == [(1, 3, 64, 64)] * 2 + [(1, 3, 32, 32)] * 4
    assert all(map(torch.equal, pixels, dataset[[(0, 1)]].crops))


def test_orl_trains_and_resumes_in_the_same_bits(tiny, photos, tmp_path, killed_at):
    inputs, _ = made(tmp_path, images=20)
    config = tiny("orl", {**PATCHES, "train": {"checkpoint_minutes": 1e-9}})
    whole = run(config, seed=0, folders=[photos], out=tmp_path / "whole", inputs=inputs)
    assert 0 < whole["loss/objects"] < 12
    arguments = {"seed": 0, "folders": [photos], "out": tmp_path / "cut", "inputs": inputs}
    killed_at(3, lambda report: run(config, report=report, **arguments))
    assert run(config, **arguments) == whole
    digests = {hashlib.sha256((tmp_path / name / BACKBONE).read_bytes()).hexdigest() for name in ("whole", "cut")}
    assert len(digests) == 1
    assert not (tmp_path / "whole" / NETWORK).exists()


def test_orl_accumulates_gradients_over_micro_batches(tiny, photos, tmp_path):
    inputs, _ = made(tmp_path, images=20)
    metrics = run(
        tiny("orl", {**PATCHES, "train": {"accumulate": 2, "epochs": 1}}), seed=0, folders=[photos],
        out=tmp_path / "out", inputs=inputs,
    )  # fmt: skip
    assert metrics["feature_std"] > 0.1


def test_stage_one_leaves_backbone_and_projector_of_the_student(tiny, photos, tmp_path):
    config = tiny("orl-stage1", {"train": {"epochs": 1}})
    run(config, seed=0, folders=[photos], out=tmp_path)
    tensors, backbone = load_file(tmp_path / NETWORK), load_file(tmp_path / BACKBONE)
    model = StudentTeacher(config.model)
    model.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"])
    projector = model.branches["image"].projector.state_dict()
    assert set(tensors) == {f"backbone.{n}" for n in backbone} | {f"projectors.image.{n}" for n in projector}
    assert all(torch.equal(tensors[f"backbone.{name}"], value) for name, value in backbone.items())
    assert all(torch.equal(tensors[f"projectors.image.{name}"], value) for name, value in projector.items())


def test_stage_one_is_byol_but_for_its_arithmetic():
    first, byol = recipes.resolve("orl-stage1", {}), recipes.resolve("byol", {})
    same = {"recipe": "byol", "title": byol.title, "train": byol.train}
    assert first.model_copy(update=same) == byol
    assert first.train.model_copy(update={"precision": "fp32"}) == byol.train


def test_the_first_views_of_terms_face_the_second_where_the_loss_is_not_symmetric(tiny):
    branch = StudentTeacher(tiny("orl").model).branches["objects"]
    assert branch.views(symmetric=True) == ({0, 1, 2, 3, 4, 5},) * 2
    assert branch.views(symmetric=False) == ({0, 2, 4}, {1, 3, 5})
    assert len({id(predictor) for predictor in branch.predictors.values()}) == len(TERMS) == 3


def test_without_what_it_rests_on_it_is_refused(tiny, photos, tmp_path):
    with pytest.raises(ConfigError, match=r"inputs\.objects: the regions .* are missing"):
        run(tiny("orl"), seed=0, folders=[photos], out=tmp_path / "out")
    inputs, _ = made(tmp_path, images=19)
    with pytest.raises(DataError, match="20 images, and regions were found in 19"):
        run(tiny("orl"), seed=0, folders=[photos], out=tmp_path / "out", inputs=inputs)
    with pytest.raises(DataError, match=r"correspondences\.safetensors: is gone"):
        run(tiny("orl"), seed=0, folders=[photos], out=tmp_path / "out", inputs={OBJECTS: photos})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"views": {"extra": None}}, r"model\.branches\.objects needs `views\.extra\.kind: object_pairs`"),
        ({"inputs": {"objects": None}}, r"views\.extra needs `inputs\.objects\.kind: correspondences`"),
        ({"inputs": {"objects": {"size": 257}}}, "size 257 is larger than resize 256"),
        ({"inputs": {"objects": {"boxes": {"min_sides": 3}}}}, r"boxes\.min_sides.*Did you mean `min_side`"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("orl", overrides)


def refused_by(recipe, of="orl", **changes):
    """What recipe ``of``, its stage 2 changed, says of the pre-training of ``recipe``."""
    config = recipes.resolve(of, {})
    alike = config.inputs["objects"].model_copy(update={"recipe": recipe, **changes})
    with pytest.raises(Contradiction) as caught:
        alike.check_pretrained("weights", recipes.resolve(recipe, {}), config.data)
    return f"{caught.value}. {caught.value.remedy}"


def test_stage_two_refuses_a_pretraining_it_cannot_use():
    nope = refused_by("orl-stage1", branch="nope")
    assert nope == "branch `nope` is none whose projector recipe `orl-stage1` leaves. Choose from: image."
    assert refused_by("orl-stage1", branch="images").endswith("Did you mean `image`?")
    assert refused_by("slotcon").endswith("recipe `slotcon` leaves. Choose from: slots.")
    assert refused_by("orl", branch="objects").endswith("It leaves none: name another recipe.")
    assert refused_by("random-init").startswith("recipe `random-init` trains nothing")
    data = refused_by("orl-stage1-cocoplus")
    assert data.startswith("recipe `orl-stage1-cocoplus` learns from coco+, this recipe from coco.")
    assert "learns from coco, this recipe from coco+" in refused_by("orl-stage1", of="orl-cocoplus")


def test_every_recipe_can_use_what_it_rests_on():
    checked = []
    for config in (recipes.resolve(name, {}) for name in recipes.names()):
        for work in config.inputs.values():
            for role, name in work.pretrained.items():
                work.check_pretrained(role, recipes.resolve(name, {}), config.data)  # raises where it cannot
                checked.append((config.recipe, name))
    assert checked == [("orl", "orl-stage1"), ("orl-cocoplus", "orl-stage1-cocoplus")]


@pytest.mark.parametrize("recipe", ["byol", "mocov2plus", "odin", "orl", "pixcon-sr", "pixpro", "slotcon", "univip"])
def test_a_branch_leaves_a_projector_where_its_settings_say_so(tiny, tmp_path, recipe):
    config = tiny(recipe).model
    left = {name for name, branch in config.branches.items() if branch.hands_over}
    export_network(tmp_path / NETWORK, StudentTeacher(config), config)
    there = load_file(tmp_path / NETWORK) if left else {}
    assert {name.split(".")[1] for name in there if name.startswith("projectors.")} == left
    assert (tmp_path / NETWORK).exists() == bool(left)


def test_coco_plus_changes_the_images_alone():
    plus, coco = recipes.resolve("orl-cocoplus", {}), recipes.resolve("orl", {})
    assert plus.inputs["objects"].recipe == "orl-stage1-cocoplus"
    assert recipes.resolve("orl-stage1-cocoplus", {}).data == plus.data == "coco+"
    same = {"recipe": "orl", "title": coco.title, "data": "coco", "inputs": coco.inputs}
    assert plus.model_copy(update=same) == coco


def test_the_network_of_equal_trainings_is_the_same_file(tiny, tmp_path):
    config = tiny("orl-stage1").model
    model, files = StudentTeacher(config), set()
    for number in range(8):  # one safetensors file of two in another order, otherwise
        export_network(tmp_path / str(number), model, config)
        files.add((tmp_path / str(number)).read_bytes())
    assert len(files) == 1
    assert load_file(tmp_path / "0")["backbone.conv1.weight"].equal(model.student.resnet.conv1.weight)
