"""Who may submit."""

import os
import time

from harness.cluster import lease


def test_one_holder_at_a_time_and_the_next_one_after_it(tmp_path):
    with lease.held(tmp_path / "lease", 0) as first:
        assert first.holds()
        with lease.held(tmp_path / "lease", 0) as second:
            assert second is None
    with lease.held(tmp_path / "lease", 0) as third:
        assert third.number == 2


def test_whoever_was_overtaken_never_holds_again(tmp_path, monkeypatch):
    """Its machine slept: it was taken for dead, and the next holder has come and gone."""
    with lease.held(tmp_path / "lease", 0) as sleeper:
        monkeypatch.setattr("harness.claims._machine", lambda: "another boot")
        os.utime(tmp_path / "lease" / "0001", (time.time() - 3600, time.time() - 3600))
        with lease.held(tmp_path / "lease", 0) as next_one:
            assert next_one.number == 2
            assert not sleeper.holds()
        with lease.held(tmp_path / "lease", 0) as last:
            assert last.number == 3
        assert not sleeper.holds()
    with lease.held(tmp_path / "lease", 0) as after:
        assert after.number == 4
    assert sorted(path.name for path in (tmp_path / "lease").iterdir()) == ["0004", "0004.end"]
