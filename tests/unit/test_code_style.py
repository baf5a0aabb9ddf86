"""Rules that every module of hpckit and of its tests keeps."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_FUNCTION = 50
FOLDERS = ("hpckit", "jobs", "tests")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


#: Names that only those understood who had given them, and that do not come back. Modules:
OLD_MODULES = words(
    """door pulse farewell takeover vain members elasticity fleet ledger reasons exits cut pump
    verdict headless linger makeroom surroundings callee rendezvous lifetime nodedir absent longer
    recipe axis elements through without gathered cited reclaims turn booking showtext acctfields
    queuefields deck captured describe test_house"""
)
#: Classes, functions and variables:
OLD_NAMES = words(
    """Came Went Drains Began _Guest Guest NotPossible Facts Place Places Shared Cut Pump Door
    Ledger Members Elasticity Rendezvous Headless MakeRoom NodeDir Lifetime InVain Farewell heed
    send_home last_word patiently settle_doubts sweep_up around INNOCENT AGAIN"""
)
OLD_PREFIXES = ("MOST_", "LEAST_", "_MOST_", "_LEAST_")
#: Words in messages and documents; ``door.key`` and ``door_port`` are names on disk.
OLD_WORDS = re.compile(
    r"\b(doors?(?!\.key|_port)|guests?|farewell|lingers?|lingering|ledgers?|headless|"
    r"in vain|patiently|heeds?|sent home|sends? home|stillborn)\b",
    re.IGNORECASE,
)


def trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield every Python file of these folders with its syntax tree."""
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            yield path.relative_to(REPOSITORY), ast.parse(path.read_text())


def functions() -> Iterator[tuple[str, int]]:
    """Yield the place and length of every function."""
    for path, tree in trees(*FOLDERS):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield f"{path}:{node.lineno} {node.name}", lines


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the names that a module defines, uses or passes, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.value.lineno, name


def texts() -> Iterator[Path]:
    """Yield the files whose words people read."""
    patterns = ("hpckit/**/*.py", "templates/*", "docs/**/*.md", "*.md", "jobs/*", "tests/**/*.md")
    for pattern in patterns:
        yield from (path for path in sorted(REPOSITORY.glob(pattern)) if path.is_file())


def test_no_function_is_longer_than_a_screen() -> None:
    assert [(name, lines) for name, lines in functions() if lines > LONGEST_FUNCTION] == []


def test_no_docstring_begins_with_a_question_word() -> None:
    found = []
    for path, tree in trees("hpckit", "tests", "jobs"):
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED):
                first = (ast.get_docstring(node) or "").split(" ")[0]
                if first in {"Whether", "Why", "Who", "What", "How"}:
                    found.append(f"{path}:{getattr(node, 'lineno', 1)} {first}")
    assert found == []


def test_no_module_has_an_old_name() -> None:
    assert [str(path) for path, _ in trees(*FOLDERS) if path.stem in OLD_MODULES] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_identifier_is_an_old_name(folder: str) -> None:
    found = [
        f"{path}:{line} {name}"
        for path, tree in trees(folder)
        for line, name in names(tree)
        if name in OLD_NAMES or name.startswith(OLD_PREFIXES)
    ]
    assert found == []


def test_no_message_or_document_uses_an_old_word() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{number} {match[0]}"
        for path in texts()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (match := OLD_WORDS.search(line))
    ]
    assert found == []


def test_a_worker_starts_with_the_standard_library_alone() -> None:
    heavy = {"pydantic", "msgspec", "rich", "typer", "jinja2", "psutil", "ray", "submitit", "numpy"}
    code = "import sys, hpckit.worker.main, hpckit.worker.recovery.supervisor; "
    code += "print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert heavy & set(done.stdout.split()) == set()
