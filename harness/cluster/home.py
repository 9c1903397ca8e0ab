"""What a harness keeps of its dealings with Slurm, below ``STORE/.slurm/``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ground.files import make_folder, storage_errors, write_json
from harness.cluster import needs
from harness.cluster.journal import Journal
from harness.store import Store
from slurm.cluster import Cluster

KEEPER = "keeper"
"""What a keeper's task is called in its submission."""
PROBE_BYTES = 1 << 16


class Home:
    """The folder and what lies in it."""

    def __init__(self, store: Store) -> None:
        self.root = store.root.absolute() / ".slurm"

    @property
    def submissions(self) -> Path:
        """Where the room ``slurm`` has a folder for each submission."""
        return self.root

    @property
    def lease(self) -> Path:
        """Claims of whoever submits."""
        return self.root / "lease"

    @property
    def keeper(self) -> Path:
        """What a keeper is asked to keep."""
        return self.root / "keeper"

    @property
    def journal(self) -> Journal:
        """What was judged."""
        return Journal(self.root / "journal.jsonl")

    def used(self) -> bool:
        """Whether anything was ever submitted from this store."""
        return self.root.is_dir()

    def remember(self, name: str, cluster: Cluster) -> None:
        """Write down where this store's jobs run, for those who only read their results.

        Raises:
            StorageError: it cannot be written.
        """
        write_json(self.root / "cluster.json", {"name": name, "gpus": sorted(needs.on_gpus(cluster))})

    def remembered(self) -> tuple[str, frozenset[str]] | None:
        """The cluster that jobs were submitted to last, and the kinds of them that get a GPU there."""
        try:
            told = json.loads((self.root / "cluster.json").read_text(encoding="utf-8"))
            return str(told["name"]), frozenset(map(str, told["gpus"]))
        except (OSError, ValueError, KeyError, TypeError):  # none, or broken: the next run writes it anew
            return None

    def try_writing(self) -> None:
        """See that the store takes files, before anything is submitted whose results would be lost.

        Raises:
            StorageError: it is full, read-only or gone.
        """
        path = self.root / f".probe.{os.getpid()}"
        make_folder(self.submissions)
        with storage_errors(path):
            try:
                with open(path, "wb") as file:
                    file.write(os.urandom(PROBE_BYTES))
                    os.fsync(file.fileno())
            finally:
                path.unlink(missing_ok=True)
