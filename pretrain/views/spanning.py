"""Odin's third view: the smallest rectangle that covers both crops, shown without augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pretrain.view_config import Jitter, Photometric, Spanning, Views
from pretrain.views.geometry import covering, draw_pair
from pretrain.views.layout import Cut, Layout, Shown

PLAIN = Photometric(jitter=Jitter(probability=0), gray=0, blur=0, solarize=0)


class TwoCropsAndSpan(Layout):
    """Two crops of the image, drawn as without a third, and the view that spans them (view 2).

    Our reading of Odin's spanning view (methods.md 12): it is neither mirrored nor recoloured nor blurred.
    """

    def __init__(self, views: Views, extra: Spanning, inputs: dict[str, Path]) -> None:
        super().__init__(views, inputs)
        self.shown += (Shown(extra.size, PLAIN),)

    def cut(self, rng: np.random.Generator, index: int, size: tuple[int, int]) -> list[Cut]:
        """See ``Layout.cut``."""
        pair = draw_pair(rng, *size, self.views)
        return [Cut(crop) for crop in (*pair, covering(pair))]
