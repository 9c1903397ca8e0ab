"""The documents name the tree, the commands and the targets as they are."""

import re
import shlex
from pathlib import Path

import pytest

from harness import cli

ROOT = Path(__file__).parent.parent
ROOMS = ("benchmarks", "ground", "harness", "pretrain", "results", "slurm", "transfer")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
DOTTED = sorted(set(re.findall(rf"\b(?:{'|'.join(ROOMS)})(?:\.[A-Za-z_]\w*)+", ARCHITECTURE)))
DOCUMENTS = {
    file.name: file.read_text().replace("\\\n", " ")
    for file in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
}
COMMANDS = sorted(
    {
        line.partition(" #")[0].strip()
        for text in DOCUMENTS.values()
        for line in re.findall(r"^    (?:\.venv/bin/)?harness (.*)$", text, re.MULTILINE)
        if "…" not in line and not line.startswith("--help")
    }
)
ROW = re.compile(r"\| `(\w+)/` \| (.*) \| .* \|")


def source(name):
    """The file of the innermost module that a dotted name leads to, and what is named in it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.exists():
                return file, parts[length:]
    return ROOT / parts[0], parts[1:]


@pytest.mark.parametrize("name", DOTTED)
def test_every_name_of_the_contract_exists(name):
    file, inside = source(name)
    assert file.is_file(), f"{name}: no such module"
    assert all(re.search(rf"\b{part}\b", file.read_text()) for part in inside), f"{name}: not in {file}"


def test_every_path_that_a_document_names_exists():
    folders = "|".join((*ROOMS, "tests", "docs"))
    named = {
        (document, path)
        for document, text in DOCUMENTS.items()
        for path in re.findall(rf"`((?:{folders})/[\w/.-]+\.(?:py|md|yaml|json|csv))`", text)
    }
    assert len(named) > 30
    assert sorted(pair for pair in named if not (ROOT / pair[1]).exists()) == []


def test_every_room_and_every_package_in_it_is_named():
    holds = dict(ROW.findall(ARCHITECTURE))
    assert sorted(holds) == sorted(ROOMS)
    for room in ROOMS:
        packages = {str(file.parent.relative_to(ROOT / room)) for file in (ROOT / room).rglob("*.py")} - {"."}
        assert sorted(each for each in packages if f"`{each}/`" not in holds[room]) == [], room


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_a_document_shows_is_one_that_there_is(command):
    _, unknown = cli._parser().parse_known_args(shlex.split(command))
    assert unknown == []


def test_every_target_that_a_document_shows_is_one_of_the_makefile():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = re.compile(r"(?:^    |`)make ([a-z0-9-]+)", re.MULTILINE)
    named = {target for text in DOCUMENTS.values() for target in shown.findall(text)}
    assert len(named) > 5
    assert named - targets == set()
