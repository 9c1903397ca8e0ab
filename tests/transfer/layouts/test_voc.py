"""PASCAL VOC's layout: what is read, and what is refused."""

import shutil

import pytest

from ground.errors import DataError
from transfer import data
from transfer.layouts import voc


def annotation_of(root, name):
    return root / "VOC2007" / "Annotations" / f"{name}.xml"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_both_places_of_the_layout_are_the_same_data(tiny, voc_root, tmp_path):
    plain = data.fingerprint(tiny, voc_root)
    data.check(tiny, voc_root)
    shutil.move(voc_root / "VOC2007", tmp_path / "other" / "VOCdevkit" / "VOC2007")
    data.check(tiny, tmp_path / "other")
    assert data.fingerprint(tiny, tmp_path / "other") == plain


@pytest.mark.parametrize("file", ["Annotations/000003.xml", "JPEGImages/000003.jpg", "ImageSets/Main/test.txt"])
def test_the_fingerprint_sees_every_file(tiny, voc_root, file):
    before = data.fingerprint(tiny, voc_root)
    with open(voc_root / "VOC2007" / file, "a") as handle:
        handle.write("\n")
    assert data.fingerprint(tiny, voc_root) != before


def test_boxes_are_read_as_written(voc_root):
    path = annotation_of(voc_root, "000001")
    path.write_text(
        "<annotation><size><width>64</width><height>48</height></size><object><name>dog</name>"
        "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
        "<bndbox><xmin>1</xmin><ymin>2.5</ymin><xmax>64</xmax><ymax>48</ymax></bndbox>"
        "<difficult>1</difficult></object></annotation>"
    )
    labelled = voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))[0]
    assert (labelled.name, labelled.width, labelled.height) == ("000001", 64, 48)
    assert labelled.boxes == ((1, 2.5, 64, 48),)
    assert [voc.CLASSES[label] for label in labelled.labels] == ["dog"]
    assert labelled.difficult == (True,)


def remove(file):
    return lambda root: (root / "VOC2007" / file).unlink()


def write(file, text):
    return lambda root: (root / "VOC2007" / file).write_text(text)


def empty(root):
    shutil.rmtree(root)
    root.mkdir()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (shutil.rmtree, r"data: no such folder"),
        (empty, r"data: empty folder"),
        (lambda root: shutil.move(root / "VOC2007", root / "2007"), r"VOC2007: no such folder.*VOCdevkit"),
        (remove("ImageSets/Main/test.txt"), r"test.txt: no such file"),
        (write("ImageSets/Main/test.txt", "\n"), r"test.txt: lists no image"),
        (write("ImageSets/Main/test.txt", "000001\n000001\n"), r"lists `000001` twice"),
        (lambda root: shutil.rmtree(root / "VOC2007" / "JPEGImages"), r"JPEGImages: no such folder"),
        (remove("JPEGImages/000002.jpg"), r"000002.jpg: image missing \(1 of the 11 in trainval.txt\)"),
        (remove("Annotations/000014.xml"), r"000014.xml: annotation missing \(1 of the 5 in test.txt\)"),
    ],
)
def test_the_check_names_what_is_missing(tiny, voc_root, break_it, message):
    break_it(voc_root)
    with pytest.raises(DataError, match=message) as caught:
        data.check(tiny, voc_root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            ("VOC2007/trainval", "VOC2007/test"),
            r"test\.txt: `000012` is tested on in VOC2007/test, too \(5 such\)\. Take",
        ),
        (("VOC2007/trainval",) * 2, r"trainval\.txt: `sets\.train` names VOC2007/trainval twice\. Name it once\."),
    ],
)
def test_no_list_is_trained_on_twice_or_tested_on(tiny, voc_root, train, message):
    config = tiny.model_copy(update={"sets": tiny.sets.model_copy(update={"train": train})})
    for look in (data.check, data.fingerprint):
        with pytest.raises(DataError, match=message):
            look(config, voc_root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><size>", r"000001.xml: not valid XML"),
        ("<annotation/>", r"<size/width> is missing, not a number"),
        (("cat", 5, 5, 20, 20), r"unknown class `kitten`. Use one of: aeroplane, .*tvmonitor"),
        (("dog", 5, 5, 5, 20), r"box \(5, 5, 5, 20\) of `dog` is empty"),
        (("dog", 5, 20, 9, 7), r"is empty"),
        (("dog", -3, 5, 20, 20), r"leaves its 64x48 image"),
        (("dog", 5, 5, 66, 20), r"leaves its 64x48 image"),
        (("dog", 5, 5, 20, "nan"), r"<bndbox/ymax> is nan, not a number"),
    ],
)
def test_a_broken_annotation_is_named(voc_root, text, message):
    path = annotation_of(voc_root, "000001")
    if isinstance(text, tuple):
        name, *box = text
        sides = "".join(f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        text = (
            "<annotation><size><width>64</width><height>48</height></size><object>"
            f"<name>{name.replace('cat', 'kitten')}</name><bndbox>{sides}</bndbox></object></annotation>"
        )
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("look", [data.check, data.fingerprint])
@pytest.mark.parametrize("name", ["000003", "000014"], ids=["to train on", "to test on"])
def test_a_bad_label_is_found_before_any_job(tiny, voc_root, look, name):
    """A plan asks for the fingerprint, ``data check`` for the check."""
    annotation_of(voc_root, name).write_text(
        "<annotation><size><width>64</width><height>48</height></size><object><name>dog</name><bndbox>"
        "<xmin>5</xmin><ymin>5</ymin><xmax>5</xmax><ymax>9</ymax></bndbox></object></annotation>"
    )
    with pytest.raises(DataError, match=rf"{name}.xml: box \(5, 5, 5, 9\) of `dog` is empty"):
        look(tiny, voc_root)


def test_training_lists_without_an_object_are_found_before_any_job(tiny, voc_root):
    for path in (voc_root / "VOC2007" / "Annotations").iterdir():
        path.write_text("<annotation><size><width>64</width><height>48</height></size></annotation>")
    with pytest.raises(DataError, match=r"no image of VOC2007/trainval has an object"):
        data.check(tiny, voc_root)


@pytest.mark.parametrize(("written", "difficult"), [("0", False), (" 1 ", True), ("", False)])
def test_difficult_is_said_by_0_or_1_or_not_at_all(voc_root, written, difficult):
    path = annotation_of(voc_root, "000001")
    path.write_text(
        "<annotation><size><width>64</width><height>48</height></size><object><name>dog</name><bndbox>"
        "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
        f"<difficult>{written}</difficult></object></annotation>"
    )
    assert voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))[0].difficult == (difficult,)
    edit(path, f"<difficult>{written}<", "<difficult>yes<")
    with pytest.raises(DataError, match=r"000001\.xml: <difficult> is `yes`, neither 0 nor 1"):
        voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))
    assert [error.problem for error in voc.problems(path)[1]] == ["<difficult> is `yes`, neither 0 nor 1"]


def test_a_list_with_a_byte_order_mark_is_the_same_list(voc_root):
    before = voc.listed(voc_root, "VOC2007/trainval")
    before.file.write_text(before.file.read_text(), encoding="utf-8-sig")
    assert voc.listed(voc_root, "VOC2007/trainval") == before


def test_corners_one_pixel_outside_pass(voc_root):
    path = annotation_of(voc_root, "000001")
    path.write_text(
        "<annotation><size><width>64</width><height>48</height></size><object><name>dog</name><bndbox>"
        "<xmin>0</xmin><ymin>0</ymin><xmax>65</xmax><ymax>49</ymax></bndbox></object></annotation>"
    )
    assert voc.read_all(voc.listed(voc_root, "VOC2007/trainval"))[0].boxes == ((0, 0, 65, 49),)


def test_images_are_counted_as_the_lists_name_them(tiny, voc_root):
    counted = data.counts(tiny, voc_root)
    with open(voc.listed(voc_root, tiny.sets.test).file, "a") as handle:
        handle.write("another\n")
    assert data.counts(tiny, voc_root) == counted | {tiny.sets.test: counted[tiny.sets.test] + 1}
