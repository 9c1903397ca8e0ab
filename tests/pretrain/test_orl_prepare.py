"""Stage 2 of ORL: what selective search and the retrieval leave, the same after a kill and with any workers."""

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from PIL import Image
from safetensors.torch import load_file

from ground import backbones
from ground.errors import ConfigError, DataError, WeightsError
from ground.seeding import derive_seed
from pretrain import prepare
from pretrain import run as pretraining
from pretrain.inputs import BoxFilter, Correspondences, SelectiveSearch
from pretrain.prepare import found, pieces, selective_search
from pretrain.prepare.ragged import Ragged
from pretrain.prepare.selective_search import enlarged, search
from pretrain.training.export import NETWORK
from pretrain.views.boxes import ious
from transfer.scenes.draw import scene
from transfer.scenes.spec import SceneSpec

SEARCH = SelectiveSearch(kind="selective_search", workers=0)
ALIKE = Correspondences(
    kind="correspondences", neighbours=3, resize=40, size=32, patch=32, pair_share=0.3, batch=8, threads=1,
    boxes=BoxFilter(min_side=12, most=10), device="cpu", workers=0,
)  # fmt: skip


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces of 6 images: 20 of them make four, the last one short."""
    monkeypatch.setattr(pieces, "PIECE", 6)
    monkeypatch.setattr(selective_search, "SMALL_PIECE", 6)


@pytest.fixture
def boxes(photos, tmp_path):
    """The run directory of a finished search."""
    prepare.run(SEARCH, seed=0, inputs={}, folders=[photos], out=tmp_path / "boxes")
    return tmp_path / "boxes"


@pytest.fixture
def stage1(tiny, photos, tmp_path):
    """The run directory of a finished stage 1."""
    config = tiny("orl-stage1", {"train": {"epochs": 1}})
    pretraining.run(config, seed=0, folders=[photos], out=tmp_path / "stage1")
    return tmp_path / "stage1"


def correspond(config, photos, boxes, stage1, out, **more):
    return prepare.run(
        config, seed=0, inputs={"proposals": boxes, "weights": stage1}, folders=[photos], out=out, **more
    )


def test_the_search_covers_the_objects_of_a_scene():
    spec, covered = SceneSpec(objects=(2, 4), scale=(0.35, 0.8)), []
    for index in range(4):
        drawn = scene(spec, "coco/train2017", index)
        there = search(drawn.image, "fast", seed=0)
        for number in range(len(drawn.layout.things)):
            covered.append(ious(there, box_of(drawn.layout.mask(number))).max())
    assert len(covered) > 8
    assert min(covered) > 0.5
    assert np.mean(covered) > 0.75


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1])


def test_the_order_of_the_search_is_drawn_from_the_seed_alone():
    image = scene(SceneSpec(), "coco/train2017", 0).image
    first, again, other = (search(image, "fast", seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert set(map(tuple, first.tolist())) == set(map(tuple, other.tolist()))
    assert len(search(image, "quality", 1)) > len(first)


def test_boxes_found_in_a_smaller_image_are_given_in_pixels_of_the_whole(photos, tmp_path):
    assert enlarged(np.array([[0, 0, 25, 20], [3, 4, 1, 1]]), (25, 20), (100, 81)).tolist() == [
        [0, 0, 100, 81], [12, 16, 4, 4],
    ]  # fmt: skip
    small = SEARCH.model_copy(update={"longest": 30})
    prepare.run(small, seed=0, inputs={}, folders=[photos], out=tmp_path / "small")
    there = selective_search.load(tmp_path / "small")
    for index, path in enumerate(sorted(photos.iterdir())):
        size = np.array(Image.open(path).size)
        rows = there[index].astype(int)
        assert (rows[:, :2] + rows[:, 2:] <= size).all()
        assert (rows[:, 2:].max(0) == size).all()


def test_a_search_is_the_same_with_workers_and_after_a_kill(photos, boxes, tmp_path, killed_at):
    there = selective_search.load(boxes)
    assert len(there) == 20
    pixels = np.asarray(Image.open(photos / "07.jpg"))
    assert there[7].tolist() == search(pixels, "fast", derive_seed("search", 0, 7)).tolist()
    workers = SEARCH.model_copy(update={"workers": 2})
    prepare.run(workers, seed=0, inputs={}, folders=[photos], out=tmp_path / "workers")
    killed_at(
        15, lambda report: prepare.run(SEARCH, seed=0, inputs={}, folders=[photos], out=tmp_path / "cut", report=report)
    )
    steps = []
    prepare.run(SEARCH, seed=0, inputs={}, folders=[photos], out=tmp_path / "cut", report=lambda s, t: steps.append(s))
    assert steps == list(range(13, 21))
    assert digest(boxes / "boxes.safetensors") == digest(tmp_path / "workers" / "boxes.safetensors")
    assert digest(boxes / "boxes.safetensors") == digest(tmp_path / "cut" / "boxes.safetensors")
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["boxes.safetensors"]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_decoded_is_named(workers, photos, tmp_path):
    (photos / "05.jpg").write_bytes((photos / "05.jpg").read_bytes()[:200])
    config = SEARCH.model_copy(update={"workers": workers})
    with pytest.raises(DataError, match=r"05\.jpg.*Replace or delete"):
        prepare.run(config, seed=0, inputs={}, folders=[photos], out=tmp_path / "out")


def test_a_build_of_opencv_without_the_search_is_refused(photos, tmp_path, monkeypatch):
    monkeypatch.delattr(selective_search.cv2, "ximgproc")
    with pytest.raises(ConfigError, match="Reinstall opencv-contrib-python-headless"):
        prepare.run(SEARCH, seed=0, inputs={}, folders=[photos], out=tmp_path / "out")


def network(stage1):
    """Stage 1's student built here: backbone and projector in evaluation mode."""
    tensors = load_file(stage1 / NETWORK)
    net = backbones.build("resnet10_w32").eval()
    net.load_state_dict({k.removeprefix("backbone."): v for k, v in tensors.items() if k.startswith("backbone.")})
    head = {k.removeprefix("projectors.image."): v for k, v in tensors.items() if k.startswith("projectors.image.")}

    def project(pooled):
        hidden = F.linear(pooled, head["0.weight"], head["0.bias"])
        norm = (head[f"1.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        return F.linear(F.batch_norm(hidden, *norm).relu(), head["3.weight"])

    return net, project


def shown(image, size):
    image = TF.to_tensor(image)
    return TF.normalize(image, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))[None]


@torch.no_grad()
def test_correspondences_are_those_of_the_plain_procedure(photos, boxes, stage1, tmp_path):
    """Neighbours by projections of central crops, pairs by features of resized regions, one image at a time."""
    metrics = correspond(ALIKE, photos, boxes, stage1, tmp_path / "out")
    result = found.load(tmp_path / "out")
    assert metrics["boxes"] == pytest.approx(len(result.boxes.values) / 20)
    net, project = network(stage1)
    images = [Image.open(path).convert("RGB") for path in sorted(photos.iterdir())]
    views = [shown(TF.center_crop(TF.resize(image, 40), 32), 32) for image in images]
    bank = F.normalize(torch.cat([project(net(view)) for view in views]), dim=1)
    similarity = bank @ bank.T
    similarity.fill_diagonal_(-2)
    assert result.neighbours.tolist() == similarity.topk(3).indices.tolist()
    features = []
    for image, rows in zip(images, (result.boxes[index] for index in range(20)), strict=True):
        patches = [shown(TF.resized_crop(image, y, x, h, w, [32, 32]), 32) for x, y, w, h in rows.tolist()]
        features.append(F.normalize(net(torch.cat(patches)), dim=1))
    for index in range(20):
        for rank in range(3):
            other, pairs = result.alike(index, rank)
            assert other == result.neighbours[index, rank]
            assert len(pairs) == max(1, int(0.3 * len(result.boxes[index])))
            table = features[index] @ features[other].T
            best = table.flatten().topk(len(pairs)).values
            assert torch.tensor([table[a, b] for a, b in pairs]) == pytest.approx(best, abs=1e-5)


def test_correspondences_are_the_same_with_workers_and_after_kills(photos, boxes, stage1, tmp_path, killed_at):
    whole = correspond(ALIKE, photos, boxes, stage1, tmp_path / "whole")
    workers = ALIKE.model_copy(update={"workers": 2})
    assert correspond(workers, photos, boxes, stage1, tmp_path / "workers") == whole
    for step in (9, 33):
        killed_at(step, lambda report: correspond(ALIKE, photos, boxes, stage1, tmp_path / "cut", report=report))
    steps = []
    report = lambda s, t: steps.append((s, t))  # noqa: E731
    assert correspond(ALIKE, photos, boxes, stage1, tmp_path / "cut", report=report) == whole
    assert steps == [(step, 40) for step in range(33, 41)]
    names = {digest(tmp_path / name / found.NAME) for name in ("whole", "workers", "cut")}
    assert len(names) == 1
    assert [path.name for path in (tmp_path / "cut").iterdir()] == [found.NAME]
    steps.clear()
    assert correspond(ALIKE, photos, boxes, stage1, tmp_path / "cut", report=report) == whole
    assert steps == []


def test_what_does_not_fit_is_refused(photos, boxes, stage1, tmp_path):
    many = ALIKE.model_copy(update={"neighbours": 20})
    with pytest.raises(ConfigError, match="20 neighbours of 20 images"):
        correspond(many, photos, boxes, stage1, tmp_path / "out")
    other = ALIKE.model_copy(update={"branch": "pixel"})
    with pytest.raises(WeightsError, match="has a projector of image and none of `pixel`"):
        correspond(other, photos, boxes, stage1, tmp_path / "out")
    with pytest.raises(WeightsError, match=r"network\.safetensors: is gone or broken"):
        correspond(ALIKE, photos, boxes, boxes, tmp_path / "out")
    (photos / "20.jpg").write_bytes((photos / "00.jpg").read_bytes())
    with pytest.raises(DataError, match="is of 20 images, not of 21"):
        correspond(ALIKE, photos, boxes, stage1, tmp_path / "out")
    with pytest.raises(DataError, match=r"boxes\.safetensors: is gone"):
        correspond(ALIKE, photos, stage1, stage1, tmp_path / "out")


def test_ragged_rows_are_found_again():
    rows = [np.arange(6).reshape(3, 2), np.zeros((0, 2), int), np.ones((1, 2), int)]
    ragged = Ragged.stack(rows)
    assert len(ragged) == 3
    assert ragged.counts.tolist() == [3, 0, 1]
    assert all(np.array_equal(ragged[index], each) for index, each in enumerate(rows))


def test_asked_to_stop_it_goes_after_the_image_and_ends_in_the_same_bytes(photos, boxes, stage1, tmp_path, stopped_at):
    def search(report):
        prepare.run(SEARCH, seed=0, inputs={}, folders=[photos], out=tmp_path / "again", report=report)

    assert stopped_at(9, search) == 9
    assert [path.name for path in (tmp_path / "again" / "small").iterdir()] == ["000000.safetensors"]
    search(lambda *_, **__: None)
    assert digest(tmp_path / "again" / selective_search.NAME) == digest(boxes / selective_search.NAME)
    correspond(ALIKE, photos, boxes, stage1, tmp_path / "whole")
    for at in (9, 33):  # in the encoding and in the pairing
        assert stopped_at(at, lambda r: correspond(ALIKE, photos, boxes, stage1, tmp_path / "cut", report=r)) == at
    correspond(ALIKE, photos, boxes, stage1, tmp_path / "cut")
    assert digest(tmp_path / "cut" / found.NAME) == digest(tmp_path / "whole" / found.NAME)
