"""Options of the command line that belong to one command and to no other; imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path

COMPARE_HELP = """\
beside our numbers: none; published values (default); or statistics: differences from the baseline, who cannot be told
from the best, and verdicts against the paper
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
