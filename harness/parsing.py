"""The parser, and the options that several commands share. Imports nothing heavy."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from ground.config import suggest
from harness.options import DEFAULT_TABLES, detaching, positive

SET_HELP = """\
change a setting, e.g. pretrain.train.epochs=2 (every recipe), byol.optim.lr=0.1 (one), transfer.threads=1 (every
task), voc_detection.schedule.base_lr=0.03 (one), scenes.seed=1; the more specific wins, a
profile's own values for one recipe included, which is said. What can change a result makes
other runs of the jobs that it concerns, and is shown on the table; what cannot (e.g. pretrain.train.workers) does not
"""
RERUN_HELP = """\
what to do about runs there are: missing runs what has no record, the interrupted included (default); retry also what
failed; force everything once more, earlier stages included; never nothing
"""
CLUSTER_HELP = """\
where jobs run: local (default), debug (in this process, one after the other), or a Slurm cluster's profile, by name or
by the path of a YAML file; see docs/cluster.md
"""


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors that name the nearest choice."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with 2."""
        choice = re.search(r"invalid choice: '?(.*?)'? \(choose from (.*)\)", message)
        hint = f"see {self.prog} --help"
        if choice:
            message = message[: choice.start()] + f"unknown `{choice[1]}`"
            hint = suggest(choice[1], [each.strip(" '") for each in choice[2].split(",")])
        self.exit(2, f"harness: error: {message}. {hint}\n")


def command(commands: Any, name: str, handler: str, words: str, *parents: Parser) -> Parser:
    """A command: what does it (``module:function``), and words for the list of commands and for its own help."""
    parser: Parser = commands.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", parents=parents, allow_abbrev=False
    )
    parser.set_defaults(handler=handler, parser=parser)
    return parser


def on_settings(profile: str = "smoke") -> Parser:
    """Options that every command about settings has; ``profile`` is the scale unless said."""
    parser = Parser(add_help=False)
    parser.add_argument(
        "--profile",
        default=profile,
        metavar="NAME",
        help="scale: smoke, laptop, mini, paper, or a YAML file's path (default: %(default)s)",
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="PATH=VALUE", help=SET_HELP)
    return parser


def naming_tables(parser: Parser) -> None:
    """Which tables."""
    parser.add_argument(
        "tables", nargs="*", default=list(DEFAULT_TABLES), metavar="TABLE", help="e.g. 1 or table1 (default: 1)"
    )


def on_tables(tables: bool = True) -> Parser:
    """Options that every command about tables has; ``tables``: the tables themselves first."""
    parser = Parser(add_help=False)
    if tables:
        naming_tables(parser)
    placing(parser)
    parser.add_argument(
        "--pretrain-images",
        action="append",
        default=[],
        metavar="DIR",
        help="pre-train on the images below this folder; may be given several times",
    )
    parser.add_argument(
        "--only",
        "--recipes",
        dest="recipes",
        action="append",
        default=[],
        metavar="RECIPE,…",
        help="only these recipes",
    )
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="RECIPE,…",
        help="rows for these recipes, too, that the table does not have",
    )
    parser.add_argument("--tasks", action="append", default=[], metavar="TASK,…", help="only these tasks")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the pre-trainings (default: 0)")
    parser.add_argument(
        "--pretrain-seeds",
        type=positive,
        default=1,
        metavar="N",
        help="pre-trainings of each recipe, from --seed on; with several, ± is over them (default: 1)",
    )
    return parser


def running(parser: Parser) -> None:
    """What is done about runs there are, where jobs run, and whether the command stays with them."""
    parser.set_defaults(stopped="; run again to go on from here", gpus=None, begin=None, submissions=False)
    parser.add_argument("--rerun", choices=("missing", "retry", "force", "never"), default="missing", help=RERUN_HELP)
    concurrency(parser)
    detaching(parser)


def placing(parser: Parser) -> None:
    """Where data are read and results kept."""
    parser.add_argument(
        "--data", metavar="ROOT", help="folder of the data sets (default: the profile's generated scenes)"
    )
    parser.add_argument("--store", default="runs", metavar="DIR", help="run store (default: runs)")


def concurrency(parser: Parser) -> None:
    """Where jobs run, and how many at once."""
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="jobs at once (default: one a GPU, else what the cores hold)"
    )
    parser.add_argument("--cluster", default="local", metavar="NAME", help=CLUSTER_HELP)
