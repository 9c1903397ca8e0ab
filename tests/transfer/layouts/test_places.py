"""What is said of a data root that is none."""

import pytest

from ground.errors import DataError
from transfer.layouts.places import check_root


def folders(root, *paths):
    for path in paths:
        (root / path).mkdir(parents=True)
    return root


def test_one_data_set_makes_a_root(tmp_path):
    for place in ("coco", "VOCdevkit", "ade", "Cityscapes"):
        assert check_root(folders(tmp_path / f"root of {place}", place).absolute()) is None


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a/VOC2007"], r"root: holds no data set, but a/ in it does. Set the data root to .*root/a\."),
        (["JPEGImages", "ImageSets"], r"is the folder of PASCAL VOC itself. Set the data root to the folder above it"),
        (["images/training", "annotations/training"], r"is the folder of ADE20k itself"),
        ([""], r"root: empty folder. Unpack the data sets there"),
        ([], r"root: no such folder"),
    ],
)
def test_a_folder_too_high_or_too_low_is_said_to_be_one(tmp_path, paths, message):
    with pytest.raises(DataError, match=message):
        check_root(folders(tmp_path / "root", *paths))


def test_a_file_is_no_root(tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(DataError, match=r"root: is a file"):
        check_root(tmp_path / "root")
