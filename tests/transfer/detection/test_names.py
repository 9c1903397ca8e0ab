"""Names of a backbone's tensors against PixCon's own tools.

``fixtures/pixcon_checkpoint_names.json``: every tensor of its ResNet-50 through its two converters.
"""

import json
from pathlib import Path

import torch

from ground.backbones import build
from transfer.detection.names import renamed

NAMES = json.loads((Path(__file__).parents[1] / "fixtures" / "pixcon_checkpoint_names.json").read_text())["names"]


def test_our_backbone_has_the_tensors_of_an_extracted_checkpoint():
    with torch.device("meta"):
        assert set(build("resnet50").state_dict()) == set(NAMES)


def test_every_tensor_gets_the_converters_name_below_the_module_that_detectron2_matches_it_to():
    """The converter leaves suffixes to detectron2's matching; the C4 detector has one place for each."""
    for ours, theirs in NAMES.items():
        assert (
            renamed(ours, "faster_rcnn_c4") == f"{'roi_heads' if theirs.startswith('res5.') else 'backbone'}.{theirs}"
        )


def test_below_a_pyramid_all_stages_are_the_backbones():
    for ours, theirs in NAMES.items():
        assert renamed(ours, "mask_rcnn_fpn") == f"backbone.bottom_up.{theirs}"
