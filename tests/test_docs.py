"""docs/architecture.md names the tree as it is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("benchmarks", "ground", "harness", "pretrain", "results", "slurm", "transfer")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
DOTTED = sorted(set(re.findall(rf"\b(?:{'|'.join(ROOMS)})(?:\.[A-Za-z_]\w*)+", ARCHITECTURE)))
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
    documents = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    named = {
        (file.name, path)
        for file in documents
        for path in re.findall(rf"`((?:{folders})/[\w/.-]+\.(?:py|md|yaml|json|csv))`", file.read_text())
    }
    assert len(named) > 30
    assert sorted(pair for pair in named if not (ROOT / pair[1]).exists()) == []


def test_every_room_and_every_package_in_it_is_named():
    holds = dict(ROW.findall(ARCHITECTURE))
    assert sorted(holds) == sorted(ROOMS)
    for room in ROOMS:
        packages = {str(file.parent.relative_to(ROOT / room)) for file in (ROOT / room).rglob("*.py")} - {"."}
        assert sorted(each for each in packages if f"`{each}/`" not in holds[room]) == [], room
