"""Total batch, synchronised norms, and what of them several processes can have."""

import pytest

from ground.config import identity
from ground.errors import ConfigError
from transfer import protocol, run, tasks


@pytest.fixture
def task(monkeypatch):
    """Settings of the paper's VOC detection; its tools train in several processes."""
    monkeypatch.setattr(protocol, "SEVERAL", frozenset({"detectron2"}))
    return lambda **changes: tasks.resolve("voc_detection", changes)


def share(config, *, tool="detectron2", device="cuda"):
    return protocol.share(config, tool=tool, device=device)


@pytest.mark.parametrize(("processes", "batch", "norm"), [(1, 16, "BN"), (4, 4, "SyncBN"), (16, 1, "SyncBN")])
def test_the_share_follows_from_the_total_batch(processes, batch, norm, task):
    found = share(task(processes=processes))
    assert (found.batch, found.norm, found.given_up, found.identity) == (batch, norm, {}, {})


@pytest.mark.parametrize(
    ("changes", "device", "message"),
    [
        (
            {"processes": 3},
            "cuda",
            "task `voc_detection`: field `processes` = 3: the batch of 16 images does not divide by it. Set "
            "`processes` to one of 1, 2, 4, 8, 16, or give it up by name, which the table will say: `waive: [batch]`.",
        ),
        (
            {"processes": 4},
            "cpu",
            "task `voc_detection`: field `model.norm` = SyncBN: 4 processes on the CPU have no batch norm in common. "
            "Set `processes: 1`, or train on GPUs, or give it up by name, which the table will say: `waive: [norm]`.",
        ),
        (
            {"processes": 17, "waive": ["batch", "norm"]},
            "cuda",
            "task `voc_detection`: field `processes` = 17: the batch has 16 images, too few for one each. Set "
            "`processes` to 16 or fewer.",
        ),
    ],
)
def test_what_cannot_be_met_is_refused_in_one_line(changes, device, message, task):
    with pytest.raises(ConfigError) as caught:
        share(task(**changes), device=device)
    assert str(caught.value) == message


def test_a_tool_of_one_process_is_refused_several(task):
    with pytest.raises(ConfigError, match=r"torchvision trains in one process here. Set `processes: 1`, or `tool: det"):
        share(task(processes=2), tool="torchvision")
    assert share(task(), tool="torchvision").batch == 16


def test_what_is_given_up_runs_and_is_told_by_key_and_words(task):
    fewer = share(task(processes=3, waive=["batch"]))
    assert (fewer.batch, fewer.norm) == (5, "SyncBN")
    assert fewer.given_up == {"batch": "voc_detection with batches of 15 images instead of 16"}
    assert fewer.identity == {"processes": 3, "given_up": ["batch"]}
    apart = share(task(processes=4, waive=["norm"]), device="cpu")
    assert (apart.batch, apart.norm) == (4, "BN")
    assert apart.given_up == {"norm": "voc_detection with batch norms over 4 images instead of 16"}
    assert apart.identity == {"processes": 4, "given_up": ["norm"]}


def test_leave_that_is_not_needed_changes_nothing(task):
    config = task(processes=4, waive=["batch", "norm"])
    assert identity(config) == identity(task())
    assert (share(config).given_up, share(config).identity) == ({}, {})


def test_plain_norms_of_several_processes_depend_on_their_number(task):
    config = task(processes=4, model={"norm": "BN"})
    assert (share(config, device="cpu").norm, share(config, device="cpu").identity) == ("BN", {"processes": 4})
    assert identity(config) != identity(task())


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"WORLD_SIZE": "4"},
            "WORLD_SIZE: 4 processes were started, and task `voc_detection` was planned for 2. Start",
        ),
        ({}, "WORLD_SIZE: 1 processes were started, and task `voc_detection` was planned for 2"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE: `two` is no number"),
        ({"WORLD_SIZE": "2"}, "RANK: `` is no number"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK: `2` is none of 0 to 1"),
        ({"WORLD_SIZE": "2", "RANK": "1"}, "LOCAL_RANK: `` is no number"),
    ],
)
def test_a_launch_that_does_not_fit_is_refused_before_anything_is_loaded(environment, message, task, monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    nothing = {"tool": "detectron2", "seed": 0, "weights": None, "data": None, "out": None, "report": None}
    with pytest.raises(ConfigError) as caught:
        run.run(task(processes=2), **nothing)
    assert str(caught.value).startswith(message)


def test_a_launch_that_fits_passes(task, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    protocol.check_launch(task(processes=2))
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name)
    assert protocol.check_launch(task()) is None
