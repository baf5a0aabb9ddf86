"""The documents name modules, files and pages that exist."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: Paths that a document names as they are in a run directory or at a user's, or that are made.
MADE_LATER = (
    "native/build",
    "native/compress_task",
    "hpckit-runs",
    "hpckit-demo",
    "hpckit-sites",
    "compressed/",
)


def documents() -> Iterator[tuple[Path, str]]:
    """Yield every document with its text."""
    for pattern in ("*.md", "docs/**/*.md", "tests/**/*.md"):
        for path in sorted(REPOSITORY.glob(pattern)):
            yield path, path.read_text()


def test_every_link_leads_to_a_file() -> None:
    missing = [
        f"{path.relative_to(REPOSITORY)}: {target}"
        for path, text in documents()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert missing == []


def test_every_link_to_a_heading_leads_to_one() -> None:
    def anchors(page: Path) -> set[str]:
        headings = re.findall(r"(?m)^#+ (.*)$", page.read_text())
        plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
        return {heading.strip().replace(" ", "-") for heading in plain}

    missing = [
        f"{path.relative_to(REPOSITORY)}: {target}#{anchor}"
        for path, text in documents()
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text)
        if "://" not in target and anchor not in anchors(path.parent / target if target else path)
    ]
    assert missing == []


def test_every_module_that_a_document_names_exists() -> None:
    def exists(name: str) -> bool:
        for end in range(len(name.split(".")), 1, -1):
            module = ".".join(name.split(".")[:end])
            try:
                if importlib.util.find_spec(module):
                    return end >= len(name.split(".")) - 2  # the rest is a class, a function
            except ModuleNotFoundError:
                continue
        return False

    missing = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path, text in documents()
        for name in re.findall(r"`(?:python3? -m )?(hpckit(?:\.[a-zA-Z_]\w*)+)(?!/|\w)", text)
        if not re.match(r"hpckit\.[a-z-]+/", name) and not exists(name)
    ]
    assert missing == []


def test_every_file_of_the_repository_that_a_document_names_exists() -> None:
    folders = "hpckit|tests|docs|templates|site_configs|jobs|native|make"
    missing = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path, text in documents()
        if path.name != "CHANGELOG.md"
        for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", text)
        if not name.startswith(MADE_LATER)
        and "NAME" not in name
        and not (REPOSITORY / name).exists()
    ]
    assert missing == []


def test_every_question_of_the_quiz_has_a_file_as_its_answer() -> None:
    quiz = (REPOSITORY / "CONTRIBUTING.md").read_text().partition("A quiz\n")[2]
    questions = re.findall(r"(?m)^(\d+)\. ", quiz)
    answers = re.findall(r"(\d+)\s+`([\w/]+\.py)`", quiz.partition("Answers:")[2])
    assert questions
    assert [number for number, _ in answers] == questions
    assert [name for _, name in answers if not (REPOSITORY / "hpckit" / name).exists()] == []


def test_the_way_of_a_task_is_short_and_names_what_exists() -> None:
    text = (REPOSITORY / "docs" / "explanation" / "way-of-a-task.md").read_text()
    stops = re.findall(r"(?m)^\d+\. `hpckit/([\w/]+)\.py` `([\w.]+)`", text)
    assert len(re.findall(r"(?m)^\d+\. ", text)) == len(stops) <= 12
    for module, name in stops:
        found: object = importlib.import_module(f"hpckit.{module.replace('/', '.')}")
        for part in name.split("."):
            found = getattr(found, part)
    assert all([module for module, _ in stops].count(module) < 3 for module, _ in stops)
