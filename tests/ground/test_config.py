"""Strict settings: merging, identities and the words of their errors."""

import pytest
from pydantic import Field

from ground import catalog
from ground.config import Strict, digest, identity, later, merge, not_identity, read_yaml, validate
from ground.errors import ConfigError


class Inner(Strict):
    rate: float = 0.1
    workers: int = not_identity(4)


class Outer(Strict):
    inner: Inner = Inner()
    many: dict[str, Inner] = Field(default_factory=dict)
    names: tuple[str, ...] = ()


def test_merge_goes_field_by_field_and_replaces_another_kind():
    assert merge({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": 3}, "b": [2]}) == {"a": {"x": 1, "y": 3}, "b": [2]}
    assert merge({"kind": "one", "x": 1}, {"kind": "two"}) == {"kind": "two"}
    assert merge({"kind": "one", "x": 1}, {"x": 2}) == {"kind": "one", "x": 2}


def test_identity_leaves_out_what_cannot_change_a_result_at_any_depth():
    fast, slow = (Outer(inner=Inner(workers=n), many={"m": Inner(workers=n)}, names=("a",)) for n in (1, 9))
    assert identity(fast) == identity(slow) == {"inner": {"rate": 0.1}, "many": {"m": {"rate": 0.1}}, "names": ["a"]}
    assert digest(identity(fast)) != digest(identity(Outer(inner=Inner(rate=0.2))))


def test_identity_leaves_out_a_later_field_while_it_means_as_before():
    class Grown(Inner):
        depth: int = later(2)
        extra: dict[str, int] = later({})

    assert identity(Grown()) == identity(Grown(depth=2, extra={})) == identity(Inner())
    assert identity(Grown(depth=3, extra={"a": 1})) == {"rate": 0.1, "depth": 3, "extra": {"a": 1}}


def test_identity_holds_a_later_field_that_is_otherwise_now_and_leaves_it_out_where_it_is_set_back():
    class Grown(Inner):
        way: str = later("slow", now="fast")

    assert identity(Grown()) == {"rate": 0.1, "way": "fast"}
    assert identity(Grown(way="slow")) == identity(Inner())


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"inner": {"rat": 1}}, "here: unknown field `inner.rat`. Did you mean `rate`?"),
        ({"many": {"m": {"workrs": 1}}}, "here: unknown field `many.m.workrs`. Did you mean `workers`?"),
        ({"inner": {"rate": "fast"}}, "here: field `inner.rate` = 'fast': Input should be a valid number"),
    ],
)
def test_errors_name_place_field_and_remedy_in_one_line(settings, line):
    with pytest.raises(ConfigError) as caught:
        validate(Outer, settings, "here")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"), [("b: 1\na: [1", "not valid YAML (line 3)"), ("- 1", "no mapping"), (None, "no such file")]
)
def test_unreadable_yaml_is_named(text, problem, tmp_path):
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


def test_extends_lays_files_over_each_other_and_refuses_circles(tmp_path):
    (tmp_path / "base.yaml").write_text("a: 1\nb: {x: 1, y: 1}\n")
    (tmp_path / "child.yaml").write_text("extends: base\nb: {y: 2}\n")
    (tmp_path / "loop.yaml").write_text("extends: loop\n")
    assert catalog.read("things", tmp_path, "child") == {"a": 1, "b": {"x": 1, "y": 2}}
    with pytest.raises(ConfigError, match="circular"):
        catalog.read("things", tmp_path, "loop")
    with pytest.raises(ConfigError, match="Did you mean `child`"):
        catalog.read("things", tmp_path, "chld")


def test_a_third_party_package_adds_names_and_may_not_take_ours(tmp_path, monkeypatch):
    home, theirs = tmp_path / "home", tmp_path / "mylab_recipes"
    home.mkdir()
    theirs.mkdir()
    (home / "ours.yaml").write_text("a: 1\n")
    (theirs / "new.yaml").write_text("a: 2\n")
    (theirs / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    point = type("Point", (), {"name": "mylab", "value": "mylab_recipes"})
    monkeypatch.setattr(catalog, "entry_points", lambda group: [point] if group == "harness.recipes" else [])
    catalog.catalog.cache_clear()
    assert sorted(catalog.catalog("recipes", home)) == ["new", "ours"]
    (theirs / "ours.yaml").write_text("a: 3\n")
    catalog.catalog.cache_clear()
    with pytest.raises(ConfigError, match="exists already"):
        catalog.catalog("recipes", home)
    catalog.catalog.cache_clear()


@pytest.mark.parametrize("text", ["a: {1: 2}", "a: [2020-01-01]", "a: !!binary aGk=", "{null: 1}"])
def test_what_json_does_not_have_is_refused(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"a\.yaml: `.*` is no number, word, list or mapping of names"):
        read_yaml(path)


def test_extends_must_be_a_name(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: 5\n")
    with pytest.raises(ConfigError, match=r"a\.yaml: field `extends` = 5: is not a name"):
        catalog.read("things", tmp_path, "a")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: {c: 1, d: 2,\n c: 3}\n", "`c` is there twice (line 3)"),
        ("a: [1, {b: 1, b: 2}]\n", "`b` is there twice"),
    ],
)
def test_a_field_that_is_there_twice_is_refused_with_its_line(text, line, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "a.yaml")
    assert line in str(caught.value)


def test_a_field_over_a_merged_one_is_none_too_many(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &x {b: 1, e: 5}\nc: {<<: *x, b: 2}\nd: *x\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": {"b": 1, "e": 5}, "c": {"b": 2, "e": 5}, "d": {"b": 1, "e": 5}}


def test_a_file_by_a_name_that_is_not_looked_for_is_no_silent_loss(tmp_path):
    (tmp_path / "mine.yml").write_text("a: 1\n")
    with pytest.raises(ConfigError, match=r"mine\.yml: would not be found.*Rename it to mine\.yaml\."):
        catalog.catalog("things", tmp_path)
