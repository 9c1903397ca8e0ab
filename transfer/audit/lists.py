"""What each reader finds of a set: its files, and everything that can be known without decoding them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from ground.errors import DataError
from transfer.audit import official
from transfer.audit.coco import coco_set
from transfer.audit.findings import Finding, LabelMap, Unit
from transfer.layouts import ade20k, cityscapes, label_maps, voc, voc_maps


def unit(root: Path, layout: str, name: str) -> Unit:
    """A set below ``root`` as the reader ``layout`` finds it.

    Raises:
        KeyError: there is no such reader here.
    """
    made = Unit(layout, name)
    try:
        _READERS[layout](made, root)
    except DataError as error:  # the set's folder or list is not there, or a folder cannot be listed
        if Path(error.where).exists():
            made.findings.append(Finding.of("folder or list at fault", error))
        else:
            made.absent = f"{error.where} is not there. {official.remedy(root, layout, name)}"
    return made


def known(layout: str) -> bool:
    """Whether there is a reader of that name."""
    return layout in _READERS


def _boxes(made: Unit, root: Path) -> None:
    """PASCAL VOC with boxes."""
    year, split = made.name.split("/")
    made.folder = voc.home(root, year)
    file = made.folder / "ImageSets" / "Main" / f"{split}.txt"
    listed = voc.Listed(made.folder, file, _names(made, file))
    for name in listed.names:
        made.annotations[listed.annotation(name)] = listed.image(name)
    _present(made, [listed.image(name) for name in listed.names])
    for path in label_maps.absent(list(made.annotations)):
        remedy = "Unpack the data set again, or take its name off the list."
        made.find("annotation missing", path, "no such file", remedy)
        del made.annotations[path]


def _names(made: Unit, file: Path) -> tuple[str, ...]:
    """What a list names, each once; what is wrong with the list is noted."""
    names = voc.lines(file, "")
    made.findings += [Finding.of("list at fault", error) for error in voc.list_problems(file, names)]
    return tuple(name for name in dict.fromkeys(names) if "/" not in name and " " not in name)


def _voc_maps(made: Unit, root: Path) -> None:
    """PASCAL VOC with label maps."""
    named = voc_maps.expected(root, made.name)
    made.folder = named.folder
    names = set(_names(made, named.where))
    pairs = {pair.name: pair for pair in named.pairs if pair.name in names}
    _pairs(made, tuple(pairs.values()), voc_maps, voc_maps.remedy(made.name))
    maps = next(iter(pairs.values())).labels.parent if pairs else None
    if maps is not None and maps.is_dir():
        photographs = set(label_maps.files(made.folder / "JPEGImages", ".jpg", ""))
        for name in label_maps.files(maps, ".png", ""):
            if name not in photographs:
                remedy = "Unpack JPEGImages again, or delete the map."
                made.find("label map of no image", maps / f"{name}.png", "has no photograph", remedy, grave=False)


def _split_folders(module: ModuleType) -> Callable[[Unit, Path], None]:
    """A layout whose sets are two folders of one split, photographs and label maps."""

    def read(made: Unit, root: Path) -> None:
        made.folder, images, maps = module.folders(root, made.name)
        if not images.is_dir() and not maps.is_dir():
            raise DataError(images, "no such folder", module.REMEDY)
        for folder in (images, maps):
            if not folder.is_dir():
                made.find("folder missing", folder, "no such folder", module.REMEDY)
                return
        pairs = module.expected(root, made.name).pairs
        if not pairs:
            made.find("nothing in it", images, "holds no image of this set", module.REMEDY)
        _pairs(made, pairs, module, module.REMEDY)
        split = made.name.split("/")[1]
        for pair in pairs:
            problem = _misplaced(module, split, pair.name)
            if problem:
                made.find("file in the wrong folder", pair.image, problem, "Move it, or unpack the data set again.")

    return read


def _misplaced(module: ModuleType, split: str, name: str) -> str:
    """Why a file does not belong into its folder, by its name."""
    if module is ade20k:
        begins = {"training": "ADE_val_", "validation": "ADE_train_"}.get(split, "/")
        return f"is of the other split, not {split}" if name.startswith(begins) else ""
    city, file = name.split("/")
    if file.split("_")[0] != city:
        return f"is of {file.split('_')[0]}, not {city}"
    others = [other for other, cities in official.CITIES.items() if city in cities and other != split]
    return f"is of {city}, a city of {others[0]}, not {split}" if others else ""


def _pairs(made: Unit, pairs: tuple[label_maps.Pair, ...], module: ModuleType, remedy: str) -> None:
    """Photographs with their label maps; what is missing is noted."""
    void: frozenset[int] = module.VOID
    other = frozenset(module.TRAIN_IDS.values()) if module is cityscapes else frozenset[int]()
    if made.name == "cityscapes/test":  # its public maps hold no class
        void = other = frozenset()
    made.maps = {pair.labels: LabelMap(pair.image, module.KNOWN, remedy, void, other) for pair in pairs}
    for path in label_maps.absent(list(made.maps)):
        made.find("label map missing", path, "no such file", remedy)
        del made.maps[path]
    _present(made, [pair.image for pair in pairs], remedy)


def _present(made: Unit, images: list[Path], remedy: str = "") -> None:
    """The photographs that are there; the others are noted."""
    missing = set(label_maps.absent(images))
    made.images = [path for path in images if path not in missing]
    for path in sorted(missing):
        again = remedy or "Unpack the data set again, or take its name off the list."
        made.find("image missing", path, "no such file", again)


def count(made: Unit, *, strict: bool) -> None:
    """Note a number of images that is not the official one: a fault only if ``strict``."""
    there = official.SETS.get((made.layout, made.name))
    if there is None or made.absent or len(made.images) == there.images:
        return
    if strict:
        problem = f"{len(made.images)} images where the official set has {there.images}"
        made.find("not the official number", made.folder or made.name, problem, "Unpack the archives whole.")
    else:
        made.part = "a part" if len(made.images) < there.images else "with more"


_READERS: dict[str, Callable[[Unit, Path], None]] = {
    "coco": coco_set,
    "voc": _boxes,
    "voc_maps": _voc_maps,
    "cityscapes": _split_folders(cityscapes),
    "ade20k": _split_folders(ade20k),
}
