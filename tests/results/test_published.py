"""The published numbers, as far as they can be held against each other."""

from collections import Counter

import pytest

from ground.errors import ConfigError, DataError
from results.published import find, load


def test_every_printed_cell_is_there():
    assert Counter(cell.table for cell in load()) == {1: 24, 2: 16, 3: 48, 4: 21, 5: 12, 6: 18, 7: 64}
    assert [cell.key for cell in load() if cell.mean is None and cell.table != 7] == []
    assert sum(cell.mean is None for cell in load()) == 13


def test_deviations_and_runs_are_those_of_the_protocol():
    asked = {"voc_detection": 5, "coco_detection": 3, "cityscapes": 3, "voc_segmentation": 5, "ade20k": 3}
    assert {cell.runs for cell in load() if cell.table <= 3} == {3, 5}
    assert all(cell.runs == asked[cell.task] for cell in load() if cell.runs is not None)
    assert all((cell.std is not None) == (cell.table <= 3) for cell in load())
    assert all(0.03 < cell.std < 0.6 for cell in load() if cell.std is not None)


def test_values_lie_where_such_values_lie():
    for cell in load():
        if cell.mean is not None and cell.task == "voc_detection":
            assert {"AP": (54, 59), "AP50": (81, 84), "AP75": (60, 66)}[cell.metric][0] < cell.mean
            assert {"AP": (54, 59), "AP50": (81, 84), "AP75": (60, 66)}[cell.metric][1] > cell.mean
    for cell in load():  # a threshold of 0.5 is easier than 0.75, which is easier than their mean up to 0.95
        if cell.metric.endswith("AP50") and cell.mean is not None:
            easier = [cell.mean]
            for harder in ("AP75", "AP"):
                easier.append(find(*cell.key[:4], cell.metric.replace("AP50", harder)).mean)
            assert easier == sorted(easier, reverse=True)


SAME = {
    "ORL †": "ORL",
    "SlotCon †": "SlotCon",
    "PixCon-SR (ours)": "PixCon-SR",
    "+ BYOL Aug. ( PixCon-Sim )": "PixCon-Sim",
}


def test_later_tables_repeat_tables_1_to_3_rounded_to_one_decimal():
    precise = {cell.key[1:]: cell.mean for cell in load() if cell.table <= 3}
    compared = 0
    for cell in load():
        original = precise.get((SAME.get(cell.row, cell.row), cell.pretrain_data, cell.task, cell.metric))
        if cell.table > 3 and cell.pretrain_data == "COCO" and original is not None:
            assert cell.mean == pytest.approx(original, abs=0.0501), cell.key
            compared += 1
    assert compared == 3 * 3 + 7 * 3  # one row of Tables 4, 5, 6 in three metrics; three rows of Table 7 in seven


def test_some_cells_are_as_the_supplement_prints_them():
    best = find(1, "PixCon-SR", "COCO", "voc_detection", "AP")
    assert (best.mean, best.std, best.runs, best.source) == (57.55, 0.25, 5, "measured")
    cited = find(7, "UniVIP", "COCO+", "voc_detection", "AP75")
    assert (cited.mean, cited.std, cited.source, cited.mark) == (65.2, None, "cited", "underline")
    assert find(7, "UniVIP", "COCO", "ade20k", "mIoU").mean is None


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((8, "BYOL", "COCO", "voc_detection", "AP"), "no such table `8`. Choose from: 1, 2"),
        ((1, "BYOLO", "COCO", "voc_detection", "AP"), "no such row `BYOLO`. Did you mean `BYOL`?"),
        ((1, "BYOL", "COCO+", "voc_detection", "AP"), "no such pre-training data `COCO+`. Did you mean `COCO`?"),
        ((1, "BYOL", "COCO", "ade20k", "AP"), "no such task `ade20k`. Choose from: voc_detection."),
        ((1, "BYOL", "COCO", "voc_detection", "AP90"), "no such metric `AP90`. Did you mean `AP75`"),
    ],
)
def test_a_cell_that_is_not_there(wanted, said):
    with pytest.raises(ConfigError) as refusal:
        find(*wanted)
    assert said.split("Did")[0] in str(refusal.value)


HEADER = "table,row,pretrain_data,task,metric,mean,std,runs,source,mark\n"
LINE = "1,BYOL,COCO,voc_detection,AP,55.73,0.28,5,measured,\n"


@pytest.mark.parametrize(
    ("lines", "error", "said"),
    [
        (LINE + LINE, DataError, "(line 3): a second line for Table 1 / BYOL / COCO / voc_detection / AP"),
        (LINE.replace("55.73", "high"), ConfigError, "(line 2): field `mean` = 'high'"),
        (LINE.replace("55.73", ""), ConfigError, "a std needs its mean"),
        (LINE.replace("measured", "heard"), ConfigError, "field `source` = 'heard'"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, lines, error, said):
    path = tmp_path / "published.csv"
    path.write_text(HEADER + lines)
    with pytest.raises(error) as refusal:
        load(path)
    assert said in str(refusal.value)
