"""What is refused before it costs anything."""

import pytest
import torch
from torchvision.models import resnet34, resnet101, resnext50_32x4d, wide_resnet50_2

from ground.backbones import build
from ground.errors import WeightsError
from transfer.weights import gate


def changed(tensors, **changes):
    """A copy; names with double underscores for dots, None to leave a tensor out."""
    whole = tensors | {name.replace("__", "."): tensor for name, tensor in changes.items()}
    return {name: tensor for name, tensor in whole.items() if tensor is not None}


FAULTS = [
    ({"bn1__running_mean": None}, r"does not fit resnet10_w32: it lacks `bn1\.running_mean` of 60 tensors\. Choose"),
    ({"layer1__0__se__weight": torch.ones(2)}, r"it has no place for `layer1\.0\.se\.weight`\."),
    ({"layer2__0__bn1__bias": torch.ones(7)}, r"of another shape `layer2\.0\.bn1\.bias` 7 for 64"),
    ({"conv1__weight": None, "conv1__bias": torch.ones(32)}, r"lacks `conv1\.weight` .* no place for `conv1\.bias`"),
    ({"bn1__weight": torch.full((32,), torch.nan)}, r"not finite in `bn1\.weight`\. The training diverged"),
    ({"bn1__bias": torch.ones(32, dtype=torch.int8)}, r"int8 values in `bn1\.bias`, as a quantised network does"),
    ({"bn1__running_var": torch.linspace(1, -1, 32)}, r"negative variances in `bn1\.running_var`\. The file is dam"),
    ({"conv1__weight": torch.zeros(32, 3, 7, 7)}, r"nothing but zeros in `conv1\.weight`: no image passes such"),
    ({"conv1__weight": torch.ones(32, 3, 3, 3)}, r"deep or small stem \(a 3x3 `conv1`"),
    ({"stem__0__weight": torch.ones(32, 3, 3, 3)}, r"deep or small stem \(`stem\.0\.weight`"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS)
def test_a_backbone_that_does_not_fit_is_refused_with_its_faults(tmp_path, trained, changes, message):
    with pytest.raises(WeightsError, match=message):
        gate.check(tmp_path / "w", changed(trained, **changes), untrained=False)


def test_many_faults_are_counted_and_the_first_named(tmp_path, trained):
    kept = {name: tensor for name, tensor in trained.items() if "bn" not in name}
    with pytest.raises(WeightsError, match=r"lacks `bn1\.bias`, `bn1\.running_mean`, `bn1\.running_var`, … \(36\) of"):
        gate.check(tmp_path / "w", kept, untrained=False)


@pytest.mark.parametrize("name", ["resnet10_w32", "resnet18", "resnet50"])
def test_our_networks_are_recognised(tmp_path, name):
    assert gate.check(tmp_path / "w", build(name).state_dict(), untrained=True) == name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (resnet101, r"is ResNet-101: \[3, 4, 23, 3\] bottleneck blocks"),
        (resnet34, r"is ResNet-34: \[3, 4, 6, 3\] basic blocks"),
        (wide_resnet50_2, r"is a ResNet \(wide, narrow or ResNeXt\): .* 128 in the first 3x3"),
        (resnext50_32x4d, r"is a ResNet \(wide, narrow or ResNeXt\): .* 4 in the first 3x3"),
    ],
)
def test_other_networks_are_refused_by_name(tmp_path, make, message):
    with torch.device("meta"):
        tensors = make().state_dict()
    with pytest.raises(WeightsError, match=message + ".* The tasks build resnet50, "):
        gate.check(tmp_path / "w", tensors, untrained=False)


def test_batch_norms_at_their_initial_values_are_refused_unless_meant(tmp_path):
    tensors = build("resnet10_w32").state_dict()
    with pytest.raises(WeightsError, match=r"was this trained\? .* in `bn1`, .* \(12\) of 12 norms\. .*--untrained"):
        gate.check(tmp_path / "w", tensors, untrained=False)
    assert gate.check(tmp_path / "w", tensors, untrained=True) == "resnet10_w32"


def test_one_norm_that_never_saw_an_image_is_found(tmp_path, trained):
    initial = {"running_mean": torch.zeros(64), "running_var": torch.ones(64)}
    initial = {f"layer2__0__bn1__{part}": value for part, value in initial.items()}
    with pytest.raises(WeightsError, match=r"in `layer2\.0\.bn1` of 12 norms"):
        gate.check(tmp_path / "w", changed(trained, **initial), untrained=False)


def test_one_untrained_norm_among_trained_ones_is_not_called_folded(tmp_path, trained):
    initial = {"bn1__running_mean": torch.zeros(32), "bn1__running_var": torch.ones(32)}
    scaled = {"bn1__weight": torch.full((32,), 0.7), "bn1__bias": torch.full((32,), 0.1)}
    with pytest.raises(WeightsError, match=r"was this trained\? .* in `bn1` of 12 norms"):
        gate.check(tmp_path / "w", changed(trained, **initial, **scaled), untrained=False)


def test_folded_norms_are_told_from_untrained_ones(tmp_path, trained):
    values = {"running_mean": 0.0, "running_var": 1 - 1e-5, "weight": 0.7}
    folded = {name: torch.full_like(t, values.get(name.split(".")[-1], 1)) for name, t in trained.items()}
    with pytest.raises(WeightsError, match=r"folded into scale and shift .* BGR images from 0 to 255"):
        gate.check(tmp_path / "w", folded, untrained=False)
