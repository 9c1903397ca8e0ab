"""Odin's parts against small cases worked out by hand: spanning view, k-means, label maps, discovery network."""

import pytest
import torch
from PIL import Image

from ground.config import merge
from ground.errors import ConfigError
from ground.seeding import generator
from pretrain import recipes
from pretrain.branches.clustering import kmeans, spread_centres
from pretrain.branches.detcon import choose_masks, pool_masks
from pretrain.branches.label_maps import shared_lengths, transfer_labels
from pretrain.branches.object_masks import ObjectMasksBranch
from pretrain.model.student_teacher import StudentTeacher
from pretrain.run import run
from pretrain.views.dataset import ViewsDataset
from pretrain.views.geometry import Crop, covering
from pretrain.views.pictures import Files
from pretrain.views.registry import build_layout

DISCOVERY = {"clusters": 3, "samples": 4, "iterations": 3, "refresh_epochs": 1}
SMALL = {"views": {"extra": {"size": 128}}, "model": {"branches": {"objects": {"discovery": DISCOVERY}}}}


def test_the_span_is_the_smallest_crop_that_covers_both():
    assert covering([Crop(10, 20, 30, 5, flip=True), Crop(0, 22, 15, 40)]) == Crop(0, 20, 40, 42)
    assert covering([Crop(3, 4, 50, 60), Crop(5, 6, 7, 8, flip=True)]) == Crop(3, 4, 50, 60)


def test_the_span_comes_as_view_2_plain_and_the_crops_as_without_it(tmp_path, tiny):
    path = tmp_path / "a.png"
    Image.new("RGB", (90, 70), (200, 40, 90)).save(path)
    views = tiny("odin", SMALL).views
    with_span, without = (build_layout(v, {}) for v in (views, views.model_copy(update={"extra": None})))
    crops = with_span.cut(generator("view", 7, 0, 0), 0, (90, 70))
    assert crops[:2] == without.cut(generator("view", 7, 0, 0), 0, (90, 70))
    spanned, plain = (ViewsDataset(Files([path]), layout, 2, seed=7)[[(0, 0)]] for layout in (with_span, without))
    assert spanned.crops[2].shape == (1, 3, 128, 128)
    assert not spanned.flips[2][0]
    assert spanned.drawn[2][0, [0, 5, 6, 7]].tolist() == [0, 0, 0, 0]  # jitter, grey, blur, solarise
    assert all(map(torch.equal, spanned.crops[:2], plain.crops))
    assert all(map(torch.equal, spanned.drawn[:2], plain.drawn))
    x1, y1, x2, y2 = spanned.boxes[2][0]
    for box in (view[0] for view in spanned.boxes[:2]):
        left, right = sorted((box[0], box[2]))
        assert x1 <= left
        assert right <= x2
        assert y1 <= box[1]
        assert box[3] <= y2


def test_kmeans_finds_the_two_halves_of_a_picture():
    """14 x 14 cells: the left 7 columns point one way, the right ones another, with a little noise."""
    cells = torch.zeros(1, 14, 14, 4)
    cells[:, :, :7, 0], cells[:, :, 7:, 1] = 1, 1
    cells += 0.05 * torch.randn(cells.shape, generator=torch.Generator().manual_seed(0))
    labels = kmeans(cells.view(1, 196, 4), 2, 5).view(14, 14)
    assert (labels[:, :7] == labels[0, 0]).all()
    assert (labels[:, 7:] == 1 - labels[0, 0]).all()


def test_centres_start_far_apart_and_move_to_the_means():
    """On a line at 0, 1, 8, 10 (mean 4.75): the first centre is 10, the next 0; the clusters are {8, 10} and {0, 1}."""
    line = torch.tensor([[[0.0], [1.0], [8.0], [10.0]]])
    assert spread_centres(line, 3).flatten().tolist() == [10, 0, 8]
    assert kmeans(line, 2, 1).tolist() == [[1, 1, 0, 0]]
    # Centres 0 and 10 give {0, 4.9, 4.9} and {5.5, 10} with means 3.27 and 7.75: 5.5 changes sides.
    moved = torch.tensor([[[0.0], [4.9], [4.9], [5.5], [10.0]]])
    assert kmeans(moved, 2, 0).tolist() == [[0, 0, 0, 1, 1]]
    assert kmeans(moved, 2, 1).tolist() == [[0, 0, 0, 0, 1]]


def test_images_are_clustered_apart_and_empty_clusters_do_no_harm():
    flat, line = torch.ones(1, 5, 2), torch.arange(5.0).view(1, 5, 1).expand(-1, -1, 2)
    labels = kmeans(torch.cat([flat, line]), 4, 10)
    assert labels[0].tolist() == [0] * 5
    assert torch.equal(labels[1], kmeans(line, 4, 10)[0])
    assert len(set(labels[1].tolist())) == 4


def test_a_cell_takes_the_label_of_most_of_its_area():
    """The source [0, 4) has columns 0 1 2 2; a target of one cell over [0.25, 3.25) covers .75, 1 and 1.25 of them."""
    labels = torch.tensor([[[0, 1, 2, 2]] * 4])
    whole = torch.tensor([[0.0, 0, 4, 4]])
    assert shared_lengths(torch.tensor([[0.25, 3.25]]), whole[:, ::2], 1, 4)[0, 0].tolist() == [0.75, 1, 1, 0.25]
    assert transfer_labels(labels, whole, torch.tensor([[0.25, 0, 3.25, 4]]), 1, 3).item() == 2
    assert transfer_labels(labels, whole, torch.tensor([[0.0, 0, 2.5, 4]]), 1, 3).item() == 0  # 1, 1 and .5: the lowest


def test_a_half_covered_cell_goes_to_the_larger_part():
    """Left half 0, right half 1 of 14 columns; 7 cells of one column's width, the seventh over [x + 6, x + 7)."""
    labels = torch.tensor([[[0] * 7 + [1] * 7] * 14])
    whole = torch.tensor([[0.0, 0, 14, 14]])
    last = {1.0: 1, 0.75: 1, 0.5: 0, 0.25: 0}  # a tie, at 0.5, goes to the lower label
    for x, expected in (*((x, [0] * 6 + [label]) for x, label in last.items()), (3.0, [0] * 4 + [1] * 3)):
        crop = torch.tensor([[x, 2.0, x + 7, 9.0]])
        assert transfer_labels(labels, whole, crop, 7, 2)[0].tolist() == [expected] * 7


def test_a_mirrored_crop_sees_its_labels_mirrored():
    labels = torch.randint(0, 4, (1, 5, 5), generator=torch.Generator().manual_seed(1))
    span, crop, mirrored = (torch.tensor([box]) for box in ([10.0, 20, 90, 80], [15.0, 22, 70, 75], [70.0, 22, 15, 75]))
    straight = transfer_labels(labels, span, crop, 3, 4)
    assert torch.equal(transfer_labels(labels, span, mirrored, 3, 4), straight.flip(2))
    assert not torch.equal(straight, straight.flip(2))


def test_drawn_masks_have_cells_and_pool_their_mean():
    labels = torch.tensor([[1, 1, 4, 1], [2, 2, 2, 2]])
    uniform = torch.tensor([[0.0, 0.49, 0.5, 0.999999], [0.0, 0.3, 0.6, 0.999999]])
    ids = choose_masks(labels, 5, uniform)
    assert ids.tolist() == [[1, 1, 4, 4], [2, 2, 2, 2]]
    pooled = pool_masks(torch.arange(8.0).view(2, 4, 1), labels, ids)
    assert pooled.flatten().tolist() == pytest.approx([4 / 3, 4 / 3, 2, 2, *[5.5] * 4])


def model_of(config):
    torch.manual_seed(0)
    return StudentTeacher(config.model)


def test_the_discovery_network_is_the_teacher_as_it_was_at_the_last_refresh(tiny):
    model = model_of(
        tiny("odin", merge(SMALL, {"model": {"branches": {"objects": {"discovery": {"refresh_epochs": 2}}}}}))
    )
    branch = model.branches["objects"]
    weight, copied = (net.resnet.conv1.weight for net in (model.teacher, branch.network))
    assert not any(parameter.requires_grad for parameter in branch.network.parameters())
    with torch.no_grad():
        weight.add_(1)
        model.teacher.resnet.bn1.running_mean.add_(3)
    model.start_epoch(1)
    assert not torch.equal(copied, weight)
    model.start_epoch(2)
    assert torch.equal(copied, weight)
    assert torch.equal(branch.network.resnet.bn1.running_mean, model.teacher.resnet.bn1.running_mean)
    assert "branches.objects.network.resnet.conv1.weight" in model.state_dict()
    assert not any(name.startswith("branches.objects._teacher") for name in model.state_dict())


@pytest.mark.parametrize(("refresh", "teacher"), [(1, {0, 1}), (0, {0, 1, 2})])
def test_the_teacher_sees_the_span_only_where_it_is_the_discovery_network(refresh, teacher, tiny):
    settings = merge(SMALL, {"model": {"branches": {"objects": {"discovery": {"refresh_epochs": refresh}}}}})
    branch = model_of(tiny("odin", settings)).branches["objects"]
    assert isinstance(branch, ObjectMasksBranch)
    assert branch.views(symmetric=True) == ({0, 1}, teacher)
    assert branch.views(symmetric=False) == ({0}, teacher)


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_run_interrupted_between_refreshes_ends_in_the_same_bits(symmetric, tiny, photos, tmp_path):
    config = tiny("odin", merge(SMALL, {"model": {"symmetric": symmetric}, "train": {"checkpoint_minutes": 1e-9}}))

    class Stopped(Exception):
        pass

    def stop(step, total, **_):
        if step == 3:
            raise Stopped

    whole = run(config, seed=1, folders=[photos], out=tmp_path / "whole")
    with pytest.raises(Stopped):
        run(config, seed=1, folders=[photos], out=tmp_path / "cut", report=stop)
    assert run(config, seed=1, folders=[photos], out=tmp_path / "cut") == whole
    files = [(tmp_path / name / "backbone.safetensors").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"views": {"extra": None}}, r"model\.branches\.objects needs `views\.extra\.kind: spanning`"),
        ({"views": {"extra": {"size": 100}}}, r"discovery\.clusters 17 exceeds the 16 cells of views\.extra\.size 100"),
        ({"views": {"extra": {"kind": "span"}}}, r"views\.extra"),
        ({"views": {"extra": {"pixels": 3}}}, r"unknown field `views\.extra\.pixels`"),
        ({"model": {"norm": {"kind": "shuffle"}}}, r"objects needs `model\.norm\.kind: sync`"),
        ({"train": {"accumulate": 2}}, r"train\.accumulate must be 1"),
        *(
            ({"model": {"branches": {"objects": {"discovery": {field: value}}}}}, rf"objects\.discovery\.{field}")
            for field, value in (("samples", 0), ("clusters", 1), ("iterations", 0), ("refresh_epochs", -1))
        ),
        ({"model": {"branches": {"objects": {"temperature": 0}}}}, r"objects\.temperature"),
    ],
)
def test_settings_that_cannot_work_are_refused(overrides, message):
    seventeen = {"model": {"branches": {"objects": {"discovery": {"clusters": 17}}}}}
    with pytest.raises(ConfigError, match=message):
        recipes.resolve("odin", merge(seventeen, overrides))
