"""Photographs and label maps in the three layouts: what is paired with what, and what is said when something lacks."""

import shutil
from types import SimpleNamespace

import pytest

from ground.errors import DataError
from transfer.layouts import ade20k, cityscapes, voc_maps

TASKS = {
    "cityscapes": (cityscapes, ("cityscapes/train",), "cityscapes/val"),
    "voc": (voc_maps, ("VOC2012/train", "VOC2012/aug"), "VOC2012/val"),
    "ade20k": (ade20k, ("ade20k/training",), "ade20k/validation"),
}
TRAIN = "cityscapes/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
LABELS = "cityscapes/gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"


def task(name):
    module, train, test = TASKS[name]
    return module, SimpleNamespace(sets=SimpleNamespace(train=train, test=test))


@pytest.mark.parametrize(
    ("module", "name", "count", "first"),
    [
        (cityscapes, "cityscapes/train", 3, (TRAIN, LABELS)),
        (ade20k, "ade20k/validation", 2, ("images/validation/ADE_val_00000001.jpg", "validation/ADE_val_00000001.png")),
        (voc_maps, "VOC2012/train", 3, ("JPEGImages/2012_000001.jpg", "VOC2012/SegmentationClass/2012_000001.png")),
        (voc_maps, "VOC2012/aug", 3, ("JPEGImages/2012_000003.jpg", "SegmentationClassAug/2012_000003.png")),
        (voc_maps, "VOC2007/test", 3, ("VOC2007/JPEGImages/000002.jpg", "VOC2007/SegmentationClass/000002.png")),
    ],
)
def test_photographs_are_paired_with_their_label_maps(scenes, module, name, count, first):
    found = module.listed(scenes, name)
    assert len(found.pairs) == len({pair.name for pair in found.pairs}) == count
    assert found.pairs[0].image.as_posix().endswith(first[0])
    assert found.pairs[0].labels.as_posix().endswith(first[1])
    assert all(pair.image.is_file() and pair.labels.is_file() for pair in found.pairs)


def test_a_list_keeps_its_order(copy):
    file = copy / "VOC2012/ImageSets/Segmentation/train.txt"
    file.write_text("2012_000004\n\n2012_000001 \n")
    assert [pair.name for pair in voc_maps.listed(copy, "VOC2012/train").pairs] == ["2012_000004", "2012_000001"]


def test_cityscapes_train_ids_number_the_classes():
    assert [cityscapes.CLASSES[cityscapes.TRAIN_IDS[label]] for label in (7, 11, 26, 33)] == [
        "road",
        "building",
        "car",
        "bicycle",
    ]
    assert sorted(cityscapes.TRAIN_IDS.values()) == list(range(len(cityscapes.CLASSES)))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("cityscapes", "cityscapes", "Cityscapes"),
        ("voc", "VOC2012", "VOCdevkit/VOC2012"),
        ("ade20k", "ADEChallengeData2016", "ade/ADEChallengeData2016"),
    ],
)
def test_the_usual_places_hold_the_same_data(copy, name, old, new):
    module, config = task(name)
    before = module.fingerprint(config, copy)
    (copy / new).parent.mkdir(exist_ok=True)
    shutil.move(copy / old, copy / new)
    assert module.fingerprint(config, copy) == before


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cityscapes", TRAIN),
        ("cityscapes", LABELS),
        ("voc", "VOC2012/SegmentationClassAug/2012_000003.png"),
        ("voc", "VOC2012/ImageSets/Segmentation/aug.txt"),
        ("ade20k", "ADEChallengeData2016/annotations/validation/ADE_val_00000002.png"),
    ],
)
def test_the_fingerprint_sees_every_file(copy, name, file):
    module, config = task(name)
    before = module.fingerprint(config, copy)
    content = bytearray((copy / file).read_bytes())
    (copy / file).write_bytes(content + b"\n")
    assert module.fingerprint(config, copy) != before


def test_the_fingerprint_sees_the_inside_of_a_label_map(copy):
    module, config = task("ade20k")
    before = module.fingerprint(config, copy)
    path = copy / "ADEChallengeData2016/annotations/training/ADE_train_00000001.png"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert module.fingerprint(config, copy) != before


def remove(file):
    return lambda root: (root / file).unlink()


def put(file, text):
    return lambda root: (root / file).write_text(text)


@pytest.mark.parametrize(
    ("name", "break_it", "message"),
    [
        ("cityscapes", lambda root: shutil.rmtree(root / "cityscapes"), r"cityscapes: no such folder. Unpack leftImg"),
        ("cityscapes", lambda root: shutil.rmtree(root / "cityscapes/gtFine/val"), r"gtFine/val: no such folder"),
        ("cityscapes", remove(LABELS), r"aachen_000000_000019_gtFine_labelIds.png: label map missing \(1 of 3\)"),
        ("cityscapes", remove(TRAIN), r"aachen_000000_000019_leftImg8bit.png: image missing \(1 of 3\)"),
        (
            "cityscapes",
            lambda root: shutil.rmtree(root / "cityscapes/gtFine/val/lindau"),
            r"lindau_.*labelIds.png: label map missing \(1 of 2\)",
        ),
        (
            "ade20k",
            remove("ADEChallengeData2016/images/training/ADE_train_00000002.jpg"),
            r"ADE_train_00000002.jpg: image missing \(1 of 3\). Unpack ADEChallengeData2016.zip",
        ),
        ("voc", remove("VOC2012/ImageSets/Segmentation/aug.txt"), r"aug.txt: no such file. Write SBD's maps"),
        (
            "voc",
            lambda root: shutil.rmtree(root / "VOC2012/SegmentationClassAug"),
            r"png: label map missing \(3 of 3\)",
        ),
        (
            "voc",
            put("VOC2012/ImageSets/Segmentation/aug.txt", "2012_000003\n2012_000002\n"),
            r"aug.txt: `2012_000002` is tested on in VOC2012/val, too \(1 such\). Take the images",
        ),
        (
            "voc",
            put("VOC2012/ImageSets/Segmentation/train.txt", "/JPEGImages/a.jpg /SegmentationClassAug/a.png\n"),
            r"is no image name. Write one name a line, without folder",
        ),
    ],
)
def test_the_check_names_what_is_missing(copy, name, break_it, message):
    module, config = task(name)
    break_it(copy)
    for look in (module.check, module.fingerprint):
        with pytest.raises(DataError, match=message) as caught:
            look(config, copy)
        assert "\n" not in str(caught.value)


def test_no_image_at_all_is_said(copy):
    module, config = task("ade20k")
    for sort in ("images", "annotations"):
        for path in (copy / "ADEChallengeData2016" / sort / "validation").iterdir():
            path.unlink()
    with pytest.raises(DataError, match=r"images/validation: holds no image of this set"):
        module.check(config, copy)


def test_images_are_counted_set_by_set(scenes):
    module, sets = task("voc")
    counted = module.counts(sets, scenes)
    assert counted == {name: len(module.listed(scenes, name).pairs) for name in counted}
    assert list(counted) == ["VOC2012/train", "VOC2012/aug", "VOC2012/val"]
