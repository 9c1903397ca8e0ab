"""Works in processes of their own: each is told what it is to be told, all at once, and what fails says how."""

import os
import time

import pytest

from benchmarks.base import turns
from benchmarks.processes import forked


def test_each_work_is_done_in_every_copy_of_its_own_process(tmp_path):
    def noted(name):
        return lambda: (tmp_path / f"{name}-{os.getpid()}-{time.monotonic_ns()}").touch()

    begin = {"a": lambda: (tmp_path / f"begun-{os.getpid()}").touch()}
    with forked({"a": noted("a"), "b": noted("b")}, begin, copies=2) as works:
        found = turns(works, 3)
    names = [path.name.split("-") for path in tmp_path.iterdir()]
    processes = {kind: {pid for name, pid, *_ in names if name == kind} for kind in ("a", "b", "begun")}
    assert [len(processes[kind]) for kind in ("a", "b")] == [2, 2]
    assert processes["begun"] == processes["a"]
    assert not processes["a"] & processes["b"]
    assert sum(name == "a" for name, *_ in names) == 2 * 4
    assert [len(spread.values) for spread in found.values()] == [3, 3]


@pytest.mark.parametrize(
    ("work", "said"), [(lambda: 1 / 0, "mine: ZeroDivisionError"), (lambda: os._exit(3), "mine: its process is gone")]
)
def test_a_work_that_fails_is_named(work, said):
    with pytest.raises(RuntimeError, match=said), forked({"mine": work}, {}, copies=1) as works:
        works["mine"]()
