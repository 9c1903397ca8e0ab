"""What CONTRIBUTING.md asks of every file, as far as it can be counted."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("benchmarks", "ground", "harness", "pretrain", "results", "slurm", "tests", "transfer")
FILES = {str(path.relative_to(ROOT)): path.read_text() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
PARSED = {name: ast.parse(text) for name, text in FILES.items()}
FUNCTIONS = [
    (name, node)
    for name, tree in PARSED.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]
OVERRIDES = {"pretrain/training/lars.py: Lars.step"}
"""Public, and documented by what they take the place of."""


def undocumented(name, body, place=""):
    """Public functions, classes and methods without a docstring."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{name}: {place}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(name, node.body, f"{place}{node.name}.")


def asserts(test):
    """Whether a test holds an ``assert`` or expects an error or a warning, itself."""
    expects = ("raises", "warns")
    return any(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Attribute) and node.attr in expects)
        for node in ast.walk(test)
    )


def test_no_file_is_longer_than_400_lines():
    assert {name: text.count("\n") for name, text in FILES.items() if text.count("\n") > 400} == {}


def test_no_function_is_longer_than_a_page():
    lengths = {f"{name}: {node.name}": node.end_lineno - node.lineno + 1 for name, node in FUNCTIONS}
    assert {place: length for place, length in lengths.items() if length > 60} == {}


@pytest.mark.parametrize("folder", sorted({*FOLDERS} - {"tests"}))
def test_all_that_is_public_says_what_it_is(folder):
    modules = {name: tree for name, tree in PARSED.items() if name.startswith(f"{folder}/")}
    assert [name for name, tree in modules.items() if tree.body and not ast.get_docstring(tree)] == []
    found = {place for name, tree in modules.items() for place in undocumented(name, tree.body)}
    assert found - OVERRIDES == set()


def test_every_test_asserts_something_itself():
    tests = [(name, node) for name, node in FUNCTIONS if name.startswith("tests/") and node.name.startswith("test_")]
    assert len(tests) > 1000
    assert [f"{name}: {node.name}" for name, node in tests if not asserts(node)] == []
