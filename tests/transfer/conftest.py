"""A PASCAL VOC of sixteen small images, a protocol small enough to run on it in seconds, and generated scenes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ground.progress import silent
from transfer.layouts.voc import CLASSES
from transfer.scenes.spec import Ade20k, Cityscapes, Coco, SceneSpec, Voc2007, Voc2012
from transfer.scenes.write import write
from transfer.tasks import resolve

TINY = {
    "sets": {"train": ["VOC2007/trainval"], "test": "VOC2007/test"},
    "model": {
        "backbone": "resnet10_w32",
        "proposals": {
            "anchor_sizes": [16, 32],
            "pre_nms_train": 60,
            "post_nms_train": 20,
            "pre_nms_test": 60,
            "post_nms_test": 10,
        },
        "pool_size": 2,
        "rois_per_image": 8,
    },
    "input": {"train_short": [48, 56], "train_max": 96, "test_short": 48, "test_max": 96},
    "schedule": {
        "iterations": 6,
        "batch": 2,
        "base_lr": 0.01,
        "steps": [5],
        "warmup_iterations": 2,
        "precise_bn_iterations": 2,
    },
    "test": {"score_threshold": 0.0, "detections_per_image": 10},
    "threads": 1,
    "workers": 0,
    "checkpoint_every": 2,
}

SPEC = SceneSpec(
    seed=7,
    shorter=(60, 72),
    scale=(0.2, 0.55),
    coco=Coco(train2017=12, val2017=4, unlabeled2017=3),
    voc2007=Voc2007(trainval=4, test=3),
    voc2012=Voc2012(train=3, val=2, aug=3),
    cityscapes=Cityscapes(train=3, val=2),
    ade20k=Ade20k(training=3, validation=2),
)

TINY_COCO = {
    **{name: TINY[name] for name in ("input", "schedule", "test", "threads", "workers", "checkpoint_every")},
    "model": {
        "backbone": "resnet10_w32",
        "channels": 16,
        "proposals": {
            "anchor_sizes": [8, 16, 24, 32, 48],
            "pre_nms_train": 30,
            "post_nms_train": 20,
            "pre_nms_test": 30,
            "post_nms_test": 10,
        },
        "rois_per_image": 8,
        "box_head": {"pool_size": 3, "convs": 1, "channels": 16, "hidden": 24},
        "mask_head": {"pool_size": 4, "convs": 1, "channels": 16},
    },
}

OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox>"
    "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def annotation(width, height, objects):
    body = "".join(OBJECT.format(name, int(difficult), *box) for name, box, difficult in objects)
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{body}</annotation>"


def write_voc(folder: Path, splits: dict[str, int]) -> Path:
    draw = np.random.Generator(np.random.Philox(7))
    for part in ("ImageSets/Main", "JPEGImages", "Annotations"):
        (folder / part).mkdir(parents=True)
    number = 0
    for split, images in splits.items():
        names = []
        for _ in range(images):
            number += 1
            names.append(f"{number:06d}")
            width, height = (64, 48) if number % 4 else (48, 64)
            pixels = draw.integers(0, 255, (height, width, 3), dtype=np.uint8)
            objects = []
            for _ in range(int(draw.integers(1, 4))):
                x, y = int(draw.integers(1, width - 20)), int(draw.integers(1, height - 20))
                w, h = (int(side) for side in draw.integers(12, 20, 2))
                label = int(draw.integers(0, 3))
                pixels[y : y + h, x : x + w] = 80 * label + 20
                objects.append((CLASSES[label], (x, y, x + w, y + h), draw.random() < 0.1))
            Image.fromarray(pixels).save(folder / "JPEGImages" / f"{names[-1]}.jpg", quality=95)
            (folder / "Annotations" / f"{names[-1]}.xml").write_text(annotation(width, height, objects))
        (folder / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return folder


def write_coco(home: Path, splits: dict[str, int]) -> Path:
    """Boxes of three colours on noise, the classes with the ids 1, 7 and 90."""
    draw = np.random.Generator(np.random.Philox(8))
    (home / "annotations").mkdir(parents=True)
    number = 0
    for split, count in splits.items():
        (home / split).mkdir()
        images, annotations = [], []
        for _ in range(count):
            number += 1
            width, height = (64, 48) if number % 4 else (48, 64)
            pixels = draw.integers(0, 255, (height, width, 3), dtype=np.uint8)
            name = f"{number:012d}.jpg"
            images.append({"id": number, "file_name": name, "width": width, "height": height})
            for _ in range(int(draw.integers(1, 4))):
                x, y = int(draw.integers(0, width - 20)), int(draw.integers(0, height - 20))
                w, h = (int(side) for side in draw.integers(12, 20, 2))
                label = int(draw.integers(0, 3))
                pixels[y : y + h, x : x + w] = 80 * label + 20
                ring = [x, y, x + w, y, x + w, y + h, x, y + h]
                fields = {"id": len(annotations) + 1, "image_id": number, "category_id": (1, 7, 90)[label]}
                annotations.append({**fields, "bbox": [x, y, w, h], "area": w * h, "segmentation": [ring]})
            Image.fromarray(pixels).save(home / split / name, quality=95)
        categories = [{"id": each, "name": name} for each, name in ((90, "c"), (1, "a"), (7, "b"))]
        content = {"images": images[::-1], "annotations": annotations, "categories": categories}
        (home / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return home


@pytest.fixture
def tiny_coco():
    return resolve("coco_detection", TINY_COCO)


@pytest.fixture
def coco_root(tmp_path):
    write_coco(tmp_path / "data" / "coco", {"train2017": 11, "val2017": 5})
    return tmp_path / "data"


@pytest.fixture
def tiny():
    return resolve("voc_detection", TINY)


@pytest.fixture
def voc_root(tmp_path):
    write_voc(tmp_path / "data" / "VOC2007", {"trainval": 11, "test": 5})
    return tmp_path / "data"


@pytest.fixture(scope="session")
def backbone(tmp_path_factory):
    """A randomly initialised resnet10_w32, as pre-training would hand it over."""
    import torch
    from safetensors.torch import save_file

    from ground.backbones import build

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    save_file(dict(build("resnet10_w32").state_dict()), path)
    return path


@pytest.fixture(scope="session")
def spec() -> SceneSpec:
    return SPEC


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A whole small set; not to be changed."""
    root = tmp_path_factory.mktemp("scenes") / "set"
    write(root, SPEC, silent)
    return root


@pytest.fixture
def copy(scenes, tmp_path) -> Path:
    """A copy of the set, to be broken."""
    return Path(shutil.copytree(scenes, tmp_path / "copy"))
