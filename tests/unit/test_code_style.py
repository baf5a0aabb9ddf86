"""What the house asks of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 50
FOLDERS = ("hpckit", "jobs", "tests")


def functions() -> Iterator[tuple[str, int]]:
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    yield f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}", lines


def test_no_function_is_longer_than_a_screen() -> None:
    assert [(name, lines) for name, lines in functions() if lines > LONGEST] == []


def test_a_worker_starts_with_the_standard_library_alone() -> None:
    heavy = {"pydantic", "msgspec", "rich", "typer", "jinja2", "psutil", "ray", "submitit", "numpy"}
    code = "import sys, hpckit.worker.main, hpckit.worker.recovery.supervisor; "
    code += "print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert heavy & set(done.stdout.split()) == set()
