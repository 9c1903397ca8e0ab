"""The protocols that detectron2 is given, against what PixCon's files say.

``fixtures/pixcon_detectron2.json``: every setting that its configs name; all else is detectron2's default.
"""

import json
from pathlib import Path

import pytest

from transfer.tasks import resolve

pytest.importorskip("detectron2", reason="detectron2 is not importable")
FACTS = json.loads((Path(__file__).parents[2] / "fixtures" / "pixcon_detectron2.json").read_text())["settings"]
OURS = {
    "DATASETS.TRAIN": [],  # handed over in memory
    "DATASETS.TEST": ["test"],
    "MODEL.WEIGHTS": "",  # likewise
    "DATALOADER.ASPECT_RATIO_GROUPING": False,  # our sampler groups
    "OUTPUT_DIR": "out",
    "SOLVER.CHECKPOINT_PERIOD": 1000,
}
"""What differs on purpose and changes no result."""


def flat(node, prefix=""):
    found = {}
    for name, value in node.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = json.loads(json.dumps(value))
    return found


@pytest.mark.parametrize(("task", "classes"), [("voc_detection", 20), ("coco_detection", 80)])
def test_every_setting_is_pixcons_or_detectron2s_default(task, classes):
    from detectron2.config import get_cfg

    from transfer.detection.detectron2.config import detectron2_config

    config = resolve(task, {})
    cfg = detectron2_config(config, classes=classes, norm=config.norm, device="cuda", out=Path("out"), test="test")
    expected = flat(get_cfg()) | FACTS[task] | OURS
    if task == "voc_detection":  # the same head by our name
        assert FACTS[task]["MODEL.ROI_HEADS.NAME"] == "Res5ROIHeadsExtraNorm"
        expected["MODEL.ROI_HEADS.NAME"] = "Res5HeadsWithNorm"
    assert flat(cfg) == expected


def test_one_process_norms_over_its_whole_batch():
    from transfer.detection.detectron2.config import detectron2_config

    cfg = detectron2_config(
        resolve("coco_detection", {}), classes=80, norm="BN", device="cpu", out=Path("out"), test="test"
    )
    norms = {name: value for name, value in flat(cfg).items() if name.endswith(".NORM") and "SEM_SEG" not in name}
    assert norms.pop("MODEL.RETINANET.NORM") == ""
    assert set(norms.values()) == {"BN"}
    assert len(norms) == 4
