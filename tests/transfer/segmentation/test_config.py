"""The paper's protocol: as settings, and as what mmengine makes of them."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from ground.config import identity
from ground.errors import ConfigError
from transfer import tool
from transfer.protocol import Share
from transfer.segmentation import fine_tune  # noqa: F401  # makes mmsegmentation importable
from transfer.segmentation.config import settings
from transfer.tasks import resolve

pytestmark = pytest.mark.usefixtures("scope")


@pytest.fixture
def as_mmengine(tmp_path):
    def call(task, share=None):
        share = share or Share(1, task.batch, "BN", {})
        where = {"weights": tmp_path / "weights", "data": tmp_path, "out": tmp_path}
        return settings(task, share=share, device="cpu", rank=0, seed=0, **where)

    return call


def test_what_the_three_tasks_are():
    found = {name: resolve(name, {}) for name in ("cityscapes", "voc_segmentation", "ade20k")}
    assert [task.runs for task in found.values()] == [3, 5, 3]
    assert [task.schedule.iterations for task in found.values()] == [90000, 30000, 80000]
    assert [task.schedule.base_lr for task in found.values()] == [0.01, 0.003, 0.01]
    assert [task.input.crop for task in found.values()] == [769, 513, 512]
    assert [(task.layout, task.classes, task.batch, task.norm) for task in found.values()] == [
        ("cityscapes", 19, 16, "SyncBN"),
        ("voc_maps", 21, 16, "SyncBN"),
        ("ade20k", 150, 16, "SyncBN"),
    ]
    assert {tool.choose(task) for task in found.values()} == {"mmsegmentation"}


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("cityscapes", {"sets": {"test": "VOC2012/val"}}, r"sets of different data sets cannot be mixed"),
        ("cityscapes", {"sets": {"test": "camvid/val"}}, r"sets.test"),
        ("cityscapes", {"test": {"window": {"stride": 770}}}, r"stride 770 leaves pixels out between squares of 769"),
        ("voc_segmentation", {"schedule": {"iterations": 100}}, r"decay.steps \[21000, 27000\] must rise"),
        ("voc_segmentation", {"model": {"dilations": [1, 2]}}, r"model.dilations"),
        ("ade20k", {"schedule": {"decay": {"kind": "cosine"}}}, r"schedule.decay"),
        ("ade20k", {"tool": "detectron2"}, r"tool"),
    ],
)
def test_a_wrong_setting_is_named(name, overrides, message):
    with pytest.raises(ConfigError, match=message):
        resolve(name, overrides)


def test_only_what_decides_a_result_is_identity():
    base = identity(resolve("ade20k", {}))
    free = {"runs": 2, "device": "cpu", "workers": 7, "checkpoint_every": 3, "tool": "mmsegmentation", "processes": 4}
    assert identity(resolve("ade20k", free)) == base
    assert identity(resolve("ade20k", {"schedule": {"void_in_mean": False}})) != base
    assert identity(resolve("ade20k", {"model": {"auxiliary": None}})) != base


def rates(as_mmengine, task, iterations):
    """The learning rates of mmengine's scheduler."""
    config = as_mmengine(task)
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=config.optim_wrapper.optimizer.lr)
    scheduler = PARAM_SCHEDULERS.build({**config.param_scheduler[0], "optimizer": OptimWrapper(sgd)})
    found = []
    for _ in range(iterations):
        found.append(sgd.param_groups[0]["lr"])
        sgd.step()
        scheduler.step()
    return found


def test_the_rate_falls_by_steps(as_mmengine):
    """As in mmcv 1.x: iteration 7, counted from 0, is the first at the lower rate."""
    decay = {"steps": [7, 9]}
    task = resolve("voc_segmentation", {"schedule": {"iterations": 10, "decay": decay}})
    assert rates(as_mmengine, task, 10) == pytest.approx([0.003] * 7 + [0.0003] * 2 + [0.00003])


def test_the_rate_falls_by_a_power(as_mmengine):
    """mmcv 1.x: (base - least) (1 - i / iterations)^0.9 + least."""
    task = resolve("ade20k", {"schedule": {"iterations": 200}})
    expected = [(0.01 - 1e-4) * (1 - i / 200) ** 0.9 + 1e-4 for i in range(200)]
    assert rates(as_mmengine, task, 200) == pytest.approx(expected, rel=1e-9)


def test_images_are_normalised_by_the_released_statistics_and_padded_with_nothing(as_mmengine):
    """White becomes 1111.4 on Cityscapes and VOC; what the crop lacks is 0 behind the normalisation, and void."""
    model = as_mmengine(resolve("cityscapes", {"input": {"crop": 8}})).model
    preprocess = MODELS.build(model.data_preprocessor)
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 4, 6, dtype=torch.long)))
    image = torch.stack([torch.full((4, 6), value, dtype=torch.uint8) for value in (0, 128, 255)])  # BGR
    batch = preprocess({"inputs": [image], "data_samples": [sample]}, training=True)
    pixel = batch["inputs"][0, :, 0, 0].tolist()
    assert pixel == pytest.approx([(255 - 0.485) / 0.229, (128 - 0.456) / 0.224, (0 - 0.406) / 0.225])
    assert batch["inputs"].shape == (1, 3, 8, 8)
    assert batch["inputs"][0, :, 4:].abs().max() == 0
    assert batch["data_samples"][0].gt_sem_seg.data[0, 4:].unique().tolist() == [255]


@pytest.mark.parametrize("void_in_mean", [True, False])
def test_void_pixels_count_in_the_mean_of_the_loss(as_mmengine, void_in_mean):
    task = resolve("voc_segmentation", {"schedule": {"void_in_mean": void_in_mean}})
    loss = MODELS.build(as_mmengine(task).model.decode_head.loss_decode)
    torch.manual_seed(1)
    logits, labels = torch.randn(2, 21, 5, 5), torch.randint(0, 21, (2, 5, 5))
    labels[:, :2] = 255
    total = F.cross_entropy(logits, labels, ignore_index=255, reduction="sum")
    found = loss(logits, labels, ignore_index=255)
    assert found.item() == pytest.approx((total / (50 if void_in_mean else 30)).item(), rel=1e-6)


def test_ade20ks_network_has_two_convolutions_and_an_auxiliary_head(as_mmengine):
    head, auxiliary = (as_mmengine(resolve("ade20k", {})).model[name] for name in ("decode_head", "auxiliary_head"))
    built, second = MODELS.build(head), MODELS.build(auxiliary)
    assert [conv.conv.weight.shape[:2] for conv in built.convs] == [(512, 2048), (512, 512)]
    assert built.conv_cat.conv.weight.shape[:2] == (512, 2048 + 512)
    assert (built.dropout.p, built.align_corners, built.conv_seg.out_channels) == (0.1, False, 150)
    assert second.convs[0].conv.weight.shape[:2] == (256, 1024)
    assert (len(second.convs), second.loss_decode.loss_weight) == (1, 0.4)


def test_the_head_of_the_other_two_is_dilated_by_six(as_mmengine):
    for name in ("cityscapes", "voc_segmentation"):
        model = as_mmengine(resolve(name, {})).model
        head = MODELS.build(model.decode_head)
        assert [(conv.conv.dilation, conv.conv.padding) for conv in head.convs] == [((6, 6), (6, 6))] * 2
        assert (head.align_corners, head.concat_input, head.dropout) == (True, False, None)
        assert model.auxiliary_head is None


def test_norms_are_synchronised_where_processes_share_a_batch(as_mmengine):
    config = as_mmengine(resolve("ade20k", {}), Share(4, 4, "SyncBN", {}))
    parts = [config.model[part].norm_cfg.type for part in ("backbone", "decode_head", "auxiliary_head")]
    assert parts == ["SyncBN"] * 3
    assert (config.launcher, config.train_dataloader.batch_size) == ("pytorch", 4)
