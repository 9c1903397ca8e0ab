"""Against mmsegmentation's own metric, on fixed predictions."""

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from transfer.segmentation import fine_tune  # noqa: F401  # makes mmsegmentation importable
from transfer.segmentation.metric import IoUMetric, MeanIoU

NAMES = tuple("abcdefg")


@pytest.fixture
def predictions(request):
    """Four pictures of other sizes with void pixels; class 4 is only predicted, class 5 only labelled, 6 absent."""
    draw = np.random.Generator(np.random.Philox(11))
    samples = []
    for height, width in ((40, 30), (17, 9), (64, 64), (1, 1)):
        labels = draw.choice([0, 1, 2, 3, 5, 255], (height, width))
        right = draw.random((height, width)) < 0.6
        predicted = np.where(right & (labels < 5), labels, draw.choice([0, 1, 2, 3, 4], (height, width)))
        samples.append(sample(torch.tensor(predicted), torch.tensor(labels)))
    return samples


def sample(predicted, labels):
    return {"pred_sem_seg": {"data": predicted}, "gt_sem_seg": {"data": labels}}


def maps(each):
    return each["pred_sem_seg"]["data"], each["gt_sem_seg"]["data"]


def evaluated(metric, samples):
    """As mmengine calls it; its table goes nowhere."""
    MMLogger.get_instance("test of the metric").handlers.clear()
    metric.dataset_meta = {"classes": NAMES}
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_equals_mmsegmentations_before_it_rounds(predictions):
    ours, theirs = evaluated(MeanIoU(), predictions), evaluated(IoUMetric(), predictions)
    areas = [IoUMetric.intersect_and_union(*maps(each), 7, 255) for each in predictions]
    whole = IoUMetric.total_area_to_metrics(*(sum(of_images) for of_images in zip(*areas, strict=True)))["IoU"]
    found = [np.nan if each["IoU"] is None else each["IoU"] / 100 for each in ours["classes"]]
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-6)
    assert np.isnan(found).tolist() == [False] * 6 + [True]
    assert found[4] == found[5] == 0
    assert abs(ours["mIoU"] / 100 - np.nanmean(whole)) < 1e-6
    assert round(ours["mIoU"], 2) == pytest.approx(theirs["mIoU"], abs=1e-9)


def test_ious_equal_counting_by_hand(predictions):
    predicted, labels = (
        np.concatenate([part.numpy().ravel() for part in of_images])
        for of_images in zip(*map(maps, predictions), strict=True)
    )
    predicted, labels = predicted[labels != 255], labels[labels != 255]
    for index, found in enumerate(evaluated(MeanIoU(), predictions)["classes"]):
        assert found["class"] == NAMES[index]
        assert found["intersection"] == np.sum((predicted == index) & (labels == index))
        assert found["union"] == np.sum((predicted == index) | (labels == index))


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # mmsegmentation's own table
def test_without_a_labelled_pixel_there_is_no_mean(predictions):
    void = [sample(predicted, torch.full_like(labels, 255)) for predicted, labels in map(maps, predictions)]
    assert np.isnan(evaluated(MeanIoU(), void)["mIoU"])
