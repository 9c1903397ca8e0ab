"""What ``harness cluster init``, ``list`` and ``show`` do."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import yaml

from ground.config import suggest
from ground.errors import ConfigError, UserError
from ground.files import write_text
from slurm import cluster as clusters
from slurm.discover import Partition, Site, discover
from slurm.draft import draft


def init(options: Namespace) -> int:
    """Write a profile of the Slurm that this machine belongs to.

    Raises:
        ConfigError: no Slurm here, an unknown partition, or a file that is there already.
        Unavailable: Slurm does not answer.
    """
    site = discover()
    out: Path = options.out or clusters.OWN / f"{site.name}.yaml"
    if out.suffix != ".yaml":
        raise ConfigError(f"--out {out}", "would not be found: its name does not end in .yaml", "Name it so.")
    if out.exists() and not options.force:
        raise ConfigError(out, "is there already", "Name another file by --out, or write over it by --force.")
    partition = _chosen(site, options.partition)
    write_text(out, draft(site, partition))
    name = out.stem if out.parent == clusters.OWN else str(out)
    clusters.load(str(out))
    print(f"{out}: written, for partition {partition.name} of {site.name}. Read it, then try it:")
    print(f"  harness plan 1 --cluster {name}")
    return 0


def _chosen(site: Site, name: str | None) -> Partition:
    if name is None:
        return site.best()
    found = {each.name: each for each in site.partitions}
    if name not in found:
        raise ConfigError(f"--partition {name}", f"{site.name} has none of this name", suggest(name, sorted(found)))
    return found[name]


def show_list(_options: Namespace) -> int:
    """Every profile that ``--cluster`` takes by name; one that does not fit says so."""
    rows = [("name", "executor", "partition", "description")]
    for name in clusters.names():
        try:
            profile = clusters.load(name)
        except UserError as error:
            rows.append((name, "-", "-", f"cannot be used: {error}"))
        else:
            rows.append((name, profile.executor, profile.partition or "-", profile.description))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
    return 0


def show(options: Namespace) -> int:
    """A profile as it holds, defaults included, as YAML.

    Raises:
        ConfigError: there is no such profile, or a field does not fit.
    """
    profile = clusters.load(options.name)
    print(f"# {clusters.source(options.name)}")
    print(yaml.safe_dump(profile.model_dump(mode="json", by_alias=True), sort_keys=False, width=120), end="")
    return 0
