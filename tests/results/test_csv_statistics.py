"""What CSV holds of the statistics, in both shapes: the judgement's own numbers at full precision."""

import csv
import io

import pytest

from results.judgement import judge
from results.render import FORMATS, together
from results.render.csv import JUDGED


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def expected(column, recipe):
    """By field, as text."""
    less, paper, way = (each.get(recipe) for each in (column.differences, column.verdicts, column.directions))
    found = dict.fromkeys(JUDGED)
    if less:
        found |= {"difference": less.difference, "difference_p": less.adjusted, "difference_state": less.state}
    if less and less.interval:
        found |= {"difference_low": less.interval.low, "difference_high": less.interval.high}
    if paper:
        found |= {"verdict": paper.state, "verdict_difference": paper.difference}
        found |= {"verdict_p_different": paper.p_different, "verdict_p_equivalent": paper.p_equivalent}
    if paper and paper.interval:
        found |= {"verdict_low": paper.interval.low, "verdict_high": paper.interval.high}
    if way:
        found["verdict"] = way.state
    return {name: "" if value is None else str(value) for name, value in found.items()}


@pytest.fixture(params=["smoke", "paper"])
def judged(request, table_of, runs):
    """Directions alone are judged of a small profile, values of the paper's."""
    own = [type(run)(**{**vars(run), "profile": request.param}) for run in runs]
    return judge(table_of(own, profile=request.param))


def test_each_line_of_a_run_has_the_statistics_of_its_cell(judged):
    told = rows(FORMATS["csv-long"](judged))
    places = {column.metric: place for place, column in enumerate(judged.columns)}
    for line in told:
        column = judged.judgement.columns[places[line["metric"]]]
        assert {name: line[name] for name in JUDGED} == expected(column, line["recipe"])
        assert line["baseline"] == judged.judgement.baseline
    (byol, *_) = [line for line in told if line["recipe"] == "byol"]
    assert float(byol["difference_low"]) < float(byol["difference"]) < float(byol["difference_high"])


def test_wide_csv_has_the_same(judged):
    for line in rows(FORMATS["csv"](judged)):
        for heading, column in zip(judged.columns, judged.judgement.columns, strict=True):
            own = {name: line[f"{heading.task}.{heading.metric}.{name}"] for name in JUDGED}
            assert own == expected(column, line["recipe"])


def test_a_value_is_judged_with_interval_and_both_p(table_of, runs):
    own = [type(run)(**{**vars(run), "profile": "paper"}) for run in runs]
    told = rows(FORMATS["csv-long"](judge(table_of(own, profile="paper"))))
    (line, *_) = [line for line in told if line["recipe"] == "byol" and line["metric"] == "AP"]
    assert line["verdict"] == "different"
    assert all(line[f"verdict_{name}"] for name in ("difference", "low", "high", "p_different", "p_equivalent"))


def test_without_statistics_long_csv_is_as_it_was(table):
    assert not set(JUDGED) & rows(FORMATS["csv-long"](table))[0].keys()


def test_several_tables_share_one_header(judged):
    told = rows(together("csv-long", [judged, judged]))
    assert len(told) == 2 * len(rows(FORMATS["csv-long"](judged)))
    assert all(line["baseline"] == judged.judgement.baseline for line in told)
