"""detectron2's VOC evaluator, fed from our labels and held to ours; what was found, for the evaluators of every tool.

Where boxes are measured by VOC's rules, detectron2's own evaluator computes the metrics, and ours, whose numbers the
record holds, must agree to 1e-6. COCO's are left to the fast evaluator (`transfer.evaluators.coco`): detectron2's is
pycocotools unless it was compiled.
"""

from __future__ import annotations

import math
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.evaluation import DatasetEvaluator, PascalVOCDetectionEvaluator
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.utils import comm

from ground.errors import DataError
from ground.files import storage_errors
from transfer.detection.detectron2.data import Entry
from transfer.evaluators.detections import Detections, RunLengths
from transfer.layouts.voc import CLASSES, Labelled

_MOST_IN_IMAGE = 10_000
_DIGITS = 11
_LAST = 10**_DIGITS - 1


class VocEvaluator(PascalVOCDetectionEvaluator):
    """detectron2's VOC evaluator, with detections of equal score kept in their order.

    It sorts scores of three decimals by numpy's unstable default, whose order of equals depends on the CPU. Here more
    digits say the order: first of equals is the first found. They are read for sorting and for nothing else.
    """

    def process(self, inputs: list[Entry], outputs: list[dict[str, Any]]) -> None:
        """Take the detections in some images."""
        for given, output in zip(inputs, outputs, strict=True):
            before = {label: len(lines) for label, lines in self._predictions.items()}
            super().process([given], [output])
            for label, lines in self._predictions.items():
                for line in range(before.get(label, 0), len(lines)):
                    place = given["position"] * _MOST_IN_IMAGE + line - before.get(label, 0)
                    name, score, box = lines[line].split(" ", 2)
                    lines[line] = f"{name} {score}{_LAST - place:0{_DIGITS}d} {box}"


class Collector(DatasetEvaluator):
    """Keeps what is found, masks as detectron2's COCO evaluator packs them."""

    def reset(self) -> None:
        """Forget what was found."""
        self._found: list[tuple[int, dict[str, Any], tuple[RunLengths, ...]]] = []

    def process(self, inputs: list[Entry], outputs: list[dict[str, Any]]) -> None:
        """Take the detections in some images."""
        for given, output in zip(inputs, outputs, strict=True):
            found = output["instances"].to("cpu")
            numbers = {"label": found.pred_classes, "score": found.scores, "box": found.pred_boxes.tensor}
            packed = instances_to_coco_json(found, given["position"]) if found.has("pred_masks") else []
            masks = tuple(item["segmentation"] for item in packed)
            arrays = {name: values.numpy() for name, values in numbers.items()}
            self._found.append((given["position"], arrays, masks))

    def evaluate(self) -> None:
        """Nothing: `detections` is asked."""

    def detections(self) -> Detections:
        """What all processes found, in the order of the list."""
        everyone = (part for each in comm.all_gather(self._found) for part in each)
        parts = sorted(everyone, key=lambda part: part[0])
        image = np.repeat([place for place, _, _ in parts], [len(arrays["score"]) for _, arrays, _ in parts])
        columns = {name: np.concatenate([arrays[name] for _, arrays, _ in parts]) for name in ("label", "score", "box")}
        return Detections(image, **columns, mask=tuple(mask for _, _, masks in parts for mask in masks))


class VocFiles:
    """Labels as the files that detectron2's evaluator reads: wherever they are from, with every field it asks for.

    Files are named by the position in the list, as ``image_id`` has it.
    """

    def __init__(self, folder: Path, set_name: str) -> None:
        """``set_name`` (``VOC2007/test``) says whose rules apply."""
        year, self.split = set_name.split("/")
        self.folder, self.year = folder, int(year.removeprefix("VOC"))

    def write(self, images: Sequence[Labelled]) -> None:
        """In the first process; the others wait.

        Raises:
            DataError: a corner is no whole number, which that evaluator cannot read.
        """
        texts = {f"Annotations/{position:06d}.xml": _xml(image) for position, image in enumerate(images)}
        names = "".join(f"{position:06d}\n" for position in range(len(images)))
        if comm.is_main_process():
            with storage_errors(self.folder):
                for file, text in {**texts, f"ImageSets/Main/{self.split}.txt": names}.items():
                    (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
                    (self.folder / file).write_text(text, encoding="utf-8")
        comm.synchronize()

    def evaluator(self, name: str) -> VocEvaluator:
        """Of the set that is registered as ``name``."""
        known = {"dirname": str(self.folder), "split": self.split, "year": self.year}
        MetadataCatalog.get(name).set(thing_classes=list(CLASSES), **known)
        return VocEvaluator(name)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.folder)


def _xml(image: Labelled) -> str:
    root = ET.Element("annotation")
    for label, box, difficult in zip(image.labels, image.boxes, image.difficult, strict=True):
        if any(side != math.floor(side) for side in box):
            problem = f"has the box {box}, and detectron2's evaluator reads whole numbers alone"
            raise DataError(image.image, problem, "Round the box, or set `tool: torchvision`.")
        item = ET.SubElement(root, "object")
        texts = {"name": CLASSES[label], "pose": "Unspecified", "truncated": "0", "difficult": str(int(difficult))}
        for name, text in texts.items():
            ET.SubElement(item, name).text = text
        corners = ET.SubElement(item, "bndbox")
        for name, side in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            ET.SubElement(corners, name).text = str(int(side))
    return ET.tostring(root, encoding="unicode")


def agree(theirs: Mapping[str, float], ours: Mapping[str, float]) -> None:
    """Both evaluators found the same.

    Raises:
        RuntimeError: they did not: one of them is wrong, and the run has no result.
    """
    apart = [name for name in ours if not np.isclose(theirs[name], ours[name], rtol=0, atol=1e-6, equal_nan=True)]
    if apart:
        told = ", ".join(f"{name} {theirs[name]} there and {ours[name]} here" for name in apart)
        raise RuntimeError(f"detectron2's evaluator and ours disagree: {told}")
