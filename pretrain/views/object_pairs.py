"""ORL's views: two crops, two patches of one object, two patches of objects that look alike (methods.md 7)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pretrain.prepare import found
from pretrain.view_config import OBJECTS, ObjectPairViews, Views
from pretrain.views.boxes import as_box, jittered
from pretrain.views.geometry import Crop, draw_pair
from pretrain.views.layout import Cut, Layout, Shown


class ObjectPairsLayout(Layout):
    """Two crops as without patches, then four patches with the crops' colours in turn, mirrored like crops.

    View 2 is a region of the image, drawn uniformly, view 3 the same one moved. Of the image's neighbours one is drawn
    uniformly, then one of the pairs with it: view 4 is the region here, view 5 the one there
    (Jiahao000/ORL openselfsup/datasets/orl.py, data_sources/coco_orl_json.py).
    """

    def __init__(self, views: Views, extra: ObjectPairViews, inputs: dict[str, Path]) -> None:
        super().__init__(views, inputs)
        self.extra = extra
        self.shown += 2 * (Shown(extra.size, views.first), Shown(extra.size, views.second))
        self.found = found.load(self.input(OBJECTS, "the regions to cut patches from"))
        self.images = len(self.found.boxes)

    def cut(self, rng: np.random.Generator, index: int, size: tuple[int, int]) -> list[Cut]:
        """See ``Layout.cut``."""
        cuts = [Cut(crop) for crop in draw_pair(rng, *size, self.views)]
        here = self.found.boxes[index]
        region = as_box(here[rng.integers(len(here))])
        moved = jittered(rng, region, size, self.extra)
        neighbour, pairs = self.found.alike(index, int(rng.integers(self.found.neighbours.shape[1])))
        one, other = pairs[rng.integers(len(pairs))]
        boxes = (region, moved, as_box(here[one]), as_box(self.found.boxes[neighbour][other]))
        flips = rng.random(4) < self.views.flip
        crops = [Crop(*box, flip=bool(flip)) for box, flip in zip(boxes, flips, strict=True)]
        return [*cuts, *(Cut(crop) for crop in crops[:3]), Cut(crops[3], image=neighbour)]
