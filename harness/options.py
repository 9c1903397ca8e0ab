"""Options of the command line that belong to one command and to no other; imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, RawDescriptionHelpFormatter
from datetime import datetime
from pathlib import Path

COMPARE_HELP = """\
beside our numbers: none; published values (default); or statistics: differences from the baseline, who cannot be told
from the best, and verdicts against the paper
"""
DETACH_HELP = """\
submit what is missing to the cluster and return; without it the harness stays, starts anew what is lost, and may be
stopped and run again at any time: jobs stay in the queue
"""
WHY_NOT_HELP = """\
say of each job that is not done what happened to it so far, the last lines of its log, and what comes next; PATTERN:
only those with this in their name, or of a cell table/row/column
"""
DEFAULT_TABLES = ("1",)
CANCEL_WORDS = """\
Take jobs out of a cluster's queue, or end them where they run. Lists them and asks first. Only what was submitted from
this store: all of it, or what harness run with the same tables, profile, data, recipes, tasks, seeds and settings
wants; any one of these, without a table, means those jobs of Table 1. A job that others, which were not named, rest on
stays. What the jobs have done so far is kept, and harness run goes on from there.
"""
READ_HELP = "where the jobs ran (default: the cluster that the store's were submitted to last, else this machine)"
CHECK_WORDS = """\
Look at COCO, COCO+, PASCAL VOC 2007 and 2012, SBD's additional label maps, Cityscapes and ADE20k below ROOT: what is
there, how many images beside the official number, what is missing or wrong, which task has all it needs, and what to
do about the rest. Every list and annotation is read; 200 images of each set, and their label maps, are decoded. Data
sets that are not there are no fault.
"""
CHECK_EPILOG = """\
where data sets are looked for:
  ROOT/coco/{train2017,val2017,unlabeled2017,annotations}/
  ROOT/VOC2007/, ROOT/VOC2012/              or below ROOT/VOCdevkit/; SBD: VOC2012/SegmentationClassAug/
  ROOT/cityscapes/{leftImg8bit,gtFine}/     or Cityscapes/
  ROOT/ADEChallengeData2016/                or below ade/ or ade20k/

exit codes: 0 what is there is sound, 1 it has faults, 2 ROOT is no folder of data sets
"""
FIGURES = ("1", "2", "curves", "forest", "heatmap")
FIGURE_HELP = """\
Draw a figure. 1 and 2 run the pre-trainings they lack; the others show the finished runs of tables.

  1        self-attention maps: how alike each cell of a picture is to a marked pixel's, by recipe (--only) and by
           weights from elsewhere (--weights)
  2        the five weakest matches of cells that both views show, over the epochs of a pre-training (--only: one
           recipe)
  curves   losses of pre-trainings and fine-tunings, with a band over runs
  forest   differences from a baseline, with intervals, of the first table
  heatmap  means, method × task
"""
INIT_HELP = """\
Ask Slurm (sinfo, scontrol) what the cluster has, and write a profile from it, with comments: partitions, time limits,
GPUs and their type, CPUs and memory of a process. It is yours to change; docs/cluster.md explains the fields.

--cluster NAME looks for NAME.yaml in the folder clusters/ of the working directory and among the profiles that come
with the harness (`harness cluster list` shows both); --cluster path/to/FILE.yaml takes any file.
"""


def printing(parser: ArgumentParser) -> None:
    """How a table is printed, and what stands beside its numbers."""
    formats = ("text", "markdown", "csv", "csv-long", "latex", "html", "json")
    parser.add_argument("--format", choices=formats, help="default: by the suffix of --out; text if printed")
    parser.add_argument(
        "--out", type=Path, action="append", default=[], metavar="FILE", help="write there; may be given several times"
    )
    parser.add_argument(
        "--compare", choices=("none", "published", "statistics"), default="published", help=COMPARE_HELP
    )
    parser.add_argument("--baseline", metavar="RECIPE", help="compare with this row (default: the table's own)")
    parser.add_argument(
        "--margin",
        type=float,
        metavar="POINTS",
        help="difference from a published value that does not matter (default: 0.5)",
    )
    parser.add_argument(
        "--std",
        action=BooleanOptionalAction,
        default=None,
        help="show ± (default: as the table does; Tables 4 to 6 give means alone)",
    )


def forecasting(parser: ArgumentParser) -> None:
    """What a cluster is expected to give, and from when."""
    parser.add_argument(
        "--gpus", type=positive, metavar="N", help="GPUs at once on the cluster (default: `gpus` of its profile)"
    )
    parser.add_argument(
        "--from", dest="begin", type=_moment, metavar="DATE", help="when the first job starts, e.g. 2027-01-04 (now)"
    )
    parser.add_argument(
        "--submissions", action="store_true", help="print what would be submitted now: sbatch scripts and their tasks"
    )


def detaching(parser: ArgumentParser) -> None:
    """Whether somebody stays with jobs that a cluster runs."""
    parser.add_argument("--detach", action="store_true", help=DETACH_HELP)


def watching(parser: ArgumentParser) -> None:
    """How a plan stands."""
    parser.add_argument("--watch", action="store_true", help="draw again until nothing is left to wait for")
    parser.add_argument("--why", nargs="?", const="", metavar="PATTERN", help=WHY_NOT_HELP)


def cancelling(parser: ArgumentParser) -> None:
    """What to take out of the queue."""
    parser.add_argument(
        "tables",
        nargs="*",
        metavar="TABLE",
        help="only the jobs of these (default: all of the store; 1 with any option that selects jobs)",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="list what would go and what would stay; change nothing")


def reading(parser: ArgumentParser) -> None:
    """Where the jobs ran whose results are read: a GPU and a CPU give different numbers."""
    parser.add_argument("--cluster", metavar="NAME", help=READ_HELP)


def positive(text: str) -> int:
    """A count as an argument."""
    if not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError(f"`{text}` is no positive number")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"`{text}` is no date: write 2027-01-04 or 2027-01-04T08:30") from None


def checking(parser: ArgumentParser) -> None:
    """How closely to look at data sets."""
    parser.set_defaults(stopped="; nothing of the check is kept, run again to check from the start")
    parser.description = CHECK_WORDS
    parser.epilog = CHECK_EPILOG
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument("root", metavar="ROOT", help="folder of the data sets")
    parser.add_argument(
        "--full", action="store_true", help="decode every image and label map, and look for the same image in two sets"
    )
    parser.add_argument("--tasks", action="append", default=[], metavar="TASK,…", help="only what these tasks read")
    parser.add_argument(
        "--pretrain-images",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of your own to pre-train on, instead of COCO; may be given several times",
    )
    parser.add_argument("--workers", type=positive, metavar="N", help="processes that decode (default: one a core)")
    parser.add_argument("--strict", action="store_true", help="a set that is not the official one in number is a fault")
    parser.add_argument("--all", action="store_true", help="show every fault, not the first three of each kind")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found there, too")


def drawing(parser: ArgumentParser) -> None:
    """Which figure, and what it shows."""
    parser.description = FIGURE_HELP
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument("name", choices=FIGURES, metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument(
        "--images", action="append", default=[], metavar="FILE", help="picture to look at; may be given several times"
    )
    parser.add_argument(
        "--pixels",
        action="append",
        default=[],
        metavar="X,Y",
        help="figure 1: the pixel to mark, one for each picture, or several of one",
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="figure 1: a column for weights from elsewhere; may be given several times",
    )
    parser.add_argument("--epochs", metavar="N,…", help="figure 2: which of the epochs that were kept (default: all)")
    parser.add_argument("--baseline", metavar="RECIPE", help="forest: whom to compare with (default: the table's own)")
    parser.add_argument("--draw", type=int, default=0, metavar="N", help="figure 2: other crops and colours")
    parser.add_argument("--side", type=_cells, metavar="PIXELS", help="side of a view (default: 1024 for crops of 224)")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write there: .png, .pdf, .svg, or .json for the numbers (default: out/figure1.png, .pdf and .json, …)",
    )


def describing(parser: ArgumentParser) -> None:
    """Where the profile of a cluster goes, and for which partition it is."""
    parser.description = INIT_HELP
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: clusters/NAME-OF-THE-CLUSTER.yaml")
    parser.add_argument(
        "--partition", metavar="NAME", help="where jobs go (default: one with GPUs that is open to all)"
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def _cells(text: str) -> int:
    if not text.isdigit() or int(text) % 32 or int(text) == 0:
        raise ArgumentTypeError(f"`{text}` is no multiple of 32")
    return int(text)
