"""What processes send each other, counted on the networks themselves."""

import pytest
import torch

from harness import profiles
from pretrain import traffic
from pretrain.model.student_teacher import StudentTeacher
from pretrain.recipes import names, resolve

TRAINED = [name for name in names() if not resolve(name, {}).initial]


def channels(network, without=()):
    norms = (torch.nn.BatchNorm2d, torch.nn.SyncBatchNorm)
    named = network.named_modules()
    return sorted(
        each.num_features for name, each in named if isinstance(each, norms) and not set(without) & set(name.split("."))
    )


@pytest.mark.parametrize("profile", ["paper", "smoke"])
@pytest.mark.parametrize("recipe", TRAINED)
def test_gradients_and_norms_are_those_of_the_network(recipe, profile):
    config = profiles.load(profile).recipe(recipe)
    with torch.device("meta"):
        model = StudentTeacher(config.model)
    found = traffic.of(config)
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert sum(layer.parameters for layer in (*found.backbone, *found.heads)) == trained
    assert channels(model.student) == sorted(layer.norm for layer in found.backbone)
    assert channels(model.branches, ("target", "network")) == sorted(layer.norm for layer in found.heads if layer.norm)


@pytest.mark.parametrize(("backbone", "billions"), [("resnet50", 4.09), ("resnet18", 1.81)])
def test_multiplications_are_those_that_are_published(backbone, billions):
    """torchvision's model pages, less the classifier."""
    assert sum(layer.work for layer in traffic.layers(backbone)) / 1e9 == pytest.approx(billions, abs=0.01)


def test_a_queue_gets_the_keys_of_one_view_and_shuffling_sends_images():
    keys = traffic.of(resolve("mocov2plus", {}))
    assert [(each.bytes_per_image, each.times) for each in keys.gatherings] == [(4 * 128, 1)]
    assert keys.synchronised
    shuffled = traffic.of(resolve("densecl", {}))
    assert not shuffled.synchronised
    assert 4 * (3 * 224**2 + 2048 * 49) in [each.bytes_per_image for each in shuffled.gatherings]


def test_a_one_sided_recipe_passes_half():
    both, one = (traffic.of(resolve(name, {})) for name in ("pixcon-sim", "pixcon-sim-one-sided"))
    assert (both.student, both.teacher, both.directions) == ((1.0, 1.0), (1.0, 1.0), 2)
    assert (one.student, one.teacher, one.directions) == ((1.0,), (1.0,), 1)
