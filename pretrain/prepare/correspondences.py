"""Which images are alike, and which of their regions: stages 2a and 2c of ORL (methods.md 7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torchvision.transforms.functional as TF
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ground import stopping
from ground.errors import ConfigError, DataError
from ground.progress import Report
from pretrain import device as devices
from pretrain.inputs import Correspondences
from pretrain.prepare import found, network, selective_search
from pretrain.prepare.found import Found
from pretrain.prepare.network import InBatches
from pretrain.prepare.pieces import Pieces
from pretrain.prepare.ragged import Ragged, offsets
from pretrain.prepare.selection import filtered, nearest, top_pairs
from pretrain.views.cutting import cut_out
from pretrain.views.geometry import Crop


def run(
    config: Correspondences, *, images: list[Path], inputs: dict[str, Path], out: Path, report: Report
) -> dict[str, float]:
    """Write ``out/correspondences.safetensors``; see ``found.Found``. Returns how many boxes and pairs an image has.

    Every image is encoded once, and so is every region: the official code encodes the regions of a neighbour anew for
    every image that has it.

    Raises:
        UserError: too few images, an image that cannot be decoded, weights or boxes that are gone.
    """
    if len(images) <= config.neighbours:
        problem = f"{config.neighbours} neighbours of {len(images)} images"
        raise ConfigError("inputs: neighbours", problem, "Lower it or add images.")
    device = devices.choose(config.device, "device")
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    encoded, paired = Pieces(out / "encoded", len(images)), Pieces(out / "paired", len(images))
    if not (out / found.NAME).exists():
        _encode(config, encoded, images, inputs, device, report)
        _pair(config, encoded, paired, device, report)
        Found(
            Ragged.of(encoded.whole("boxes"), encoded.whole("counts")),
            paired.whole("neighbours"),
            Ragged.of(paired.whole("pairs"), paired.whole("counts")),
        ).save(out)
    encoded.drop()
    paired.drop()
    result = found.load(out)
    return {
        "boxes": len(result.boxes.values) / len(images),
        "pairs": len(result.pairs.values) / len(images) / config.neighbours,
    }


@dataclass(frozen=True)
class Sight:
    """What is encoded of one image: ``image`` uint8 (3, S, S), its ``boxes`` (B, 4) and their ``patches`` uint8
    (B, 3, P, P)."""

    image: Tensor
    boxes: NDArray[np.uint16]
    patches: Tensor


def sight(image: Image.Image, index: int, *, boxes: Ragged, config: Correspondences) -> Sight:
    """The centre of an image and its regions."""
    middle = TF.center_crop(TF.resize(image, config.resize), config.size)
    kept = filtered(boxes[index], config.boxes)
    pixels = np.asarray(image)
    patches = np.stack([cut_out(pixels, Crop(*box), config.patch, "bilinear") for box in kept.tolist()])
    planes = np.ascontiguousarray(patches.transpose(0, 3, 1, 2))
    return Sight(torch.from_numpy(np.array(middle).transpose(2, 0, 1)), kept, torch.from_numpy(planes))


def _encode(
    config: Correspondences,
    pieces: Pieces,
    images: list[Path],
    inputs: dict[str, Path],
    device: torch.device,
    report: Report,
) -> None:
    """Projections of all images, features of their regions, and the regions."""
    boxes, net = selective_search.load(inputs["proposals"]), network.load(inputs["weights"], config.branch, device)
    if len(boxes) != len(images):
        remedy = "Delete its run's folder and run again."
        raise DataError(inputs["proposals"], f"is of {len(boxes)} images, not of {len(images)}", remedy)
    whole, regions = (InBatches(function, config.batch) for function in (net.projections, net.features))
    see = partial(sight, boxes=boxes, config=config)
    for number, sights in pieces.work(images, see, config.workers, report, total=2 * len(images)):
        kept = []
        for each in sights:
            whole.add(each.image[None])
            regions.add(each.patches)
            kept.append(each.boxes)
        rows = Ragged.stack(kept)
        arrays = {"projections": whole.finish().numpy(), "features": regions.finish().numpy()}
        pieces.keep(number, {**arrays, "boxes": rows.values, "counts": rows.counts})


def _pair(config: Correspondences, encoded: Pieces, paired: Pieces, device: torch.device, report: Report) -> None:
    """Each image's neighbours and the regions it has in common with them."""
    bank = torch.from_numpy(encoded.whole("projections")).to(device)
    features = _Features(encoded, encoded.whole("counts"), device)
    for number in paired.missing():
        images = paired.of(number)
        neighbours = nearest(bank, images, config.neighbours).cpu()
        rows = []
        for index, others in zip(images, neighbours.tolist(), strict=True):
            own = features[index]
            rows.append(torch.cat([top_pairs(own, features[other], config.pair_share) for other in others]).cpu())
            report(len(bank) + index + 1, 2 * len(bank))
            stopping.check()
        pairs = Ragged.stack([each.numpy().astype(np.uint16) for each in rows])
        arrays = {"pairs": pairs.values, "counts": pairs.counts, "neighbours": neighbours.numpy().astype(np.int32)}
        paired.keep(number, arrays)


class _Features:
    """Unit vectors of an image's regions (B, C), by number of the image; read as they are asked for."""

    def __init__(self, encoded: Pieces, counts: NDArray[np.int64], device: torch.device) -> None:
        self.encoded, self.device = encoded, device
        self.offsets = [offsets(counts[list(encoded.of(number))]) for number in range(len(encoded))]

    def __getitem__(self, index: int) -> Tensor:
        number, place = self.encoded.where(index)
        begin, end = self.offsets[number][place : place + 2].tolist()
        return torch.from_numpy(self.encoded.rows(number, "features", begin, end)).to(self.device)
