"""Placeholders are parsed and filled in, and faults are explained."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpckit.model.placeholders import PARTS, Placeholder, parse, part_of, placeholder_error


@given(st.text())
def test_a_text_with_doubled_braces_is_unchanged(text: str) -> None:
    assert parse(text.replace("{", "{{").replace("}", "}}")).fill({}) == text


@given(st.text(), st.text(), st.text())
def test_values_are_never_read_as_placeholders(a: str, b: str, value: str) -> None:
    text = (
        f"{a.replace('{', '{{').replace('}', '}}')}{{x}}{b.replace('{', '{{').replace('}', '}}')}"
    )
    assert parse(text).fill({Placeholder("x"): value}) == a + value + b


@pytest.mark.parametrize("text", ["{", "}", "a{b", "{x}}", "{{x}", "${x"])
def test_the_error_of_a_single_brace_says_how_to_write_braces(text: str) -> None:
    with pytest.raises(ValueError, match=r"has a lone '[{}]'; write {{ and }} for braces"):
        parse(text)


def test_a_similar_name_is_suggested() -> None:
    words = placeholder_error(Placeholder("feild"), ["field", "tolerance", "index"])
    assert words.startswith("unknown placeholder {feild}; known: {field}, {tolerance}, {index}.")
    assert "Did you mean 'field'?" in words


def test_an_unknown_part_lists_the_known_ones() -> None:
    words = placeholder_error(Placeholder("field", "stme"), ["field"])
    assert "known: {field.name}, {field.parent}, {field.stem}, {field.suffix}." in words
    assert "Did you mean 'stem'?" in words


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_parts_are_those_of_pathlib(text: str) -> None:
    for part in PARTS:
        assert part_of(text, part) == str(getattr(PurePosixPath(text), part))
