"""From what a network finds to the detections of an image."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from transfer.detection.detector import Detector
from transfer.detection.fine_tune import detect
from transfer.layouts.voc import Labelled

CPU = torch.device("cpu")


class Fixed(Detector):
    """Finds the same boxes, in pixels of its input, in every image."""

    def __init__(self, boxes):
        super().__init__()
        self.boxes = torch.tensor(boxes)

    def losses(self, images, targets):
        raise NotImplementedError

    def detect(self, images):
        number = len(self.boxes)
        scores, labels = torch.linspace(0.9, 0.5, number), torch.arange(number) + 1
        return [{"boxes": self.boxes, "scores": scores, "labels": labels} for _ in images]


@pytest.fixture
def photographs(tmp_path):
    """Two of 64x48, which testing at 72 pixels enlarges 1.5 times."""
    Image.new("RGB", (64, 48)).save(tmp_path / "x.jpg")
    return [Labelled(name, Path(tmp_path / "x.jpg"), 64, 48, (), (), ()) for name in "ab"]


def test_boxes_are_scaled_clipped_and_dropped_if_nothing_is_left(tiny, photographs):
    config = tiny.model_copy(update={"input": tiny.input.model_copy(update={"test_short": 72})})
    boxes = [
        [3.0, 6.0, 30.0, 60.0],
        [90.0, 9.0, 99.0, 90.0],  # beyond the right and the bottom
        [-6.0, -3.0, 9.0, 6.0],
        [96.0, 9.0, 99.0, 30.0],  # nothing left: no width
        [9.0, 75.0, 30.0, 90.0],  # no height
        [30.0, 30.0, 30.0, 60.0],  # empty from the start
    ]
    heard = []
    found = detect(config, Fixed(boxes), CPU, photographs, heard.append)
    assert heard == [1, 2]
    assert found.image.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.label.tolist() == [0, 1, 2] * 2
    assert found.score[:3] == pytest.approx([0.9, 0.82, 0.74])
    expected = [[2, 4, 20, 40], [60, 6, 64, 48], [0, 0, 6, 4]]
    assert found.box.tolist() == [pytest.approx(box) for box in expected * 2]


def test_no_detection_at_all_is_an_empty_table(tiny, photographs):
    found = detect(tiny, Fixed([[5.0, 5.0, 5.0, 5.0]]), CPU, photographs, lambda count: None)
    assert found.box.shape == (0, 4)
    assert found.image.shape == found.label.shape == found.score.shape == (0,)
