"""The scanner finds the line and text of every value that tomllib accepts."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hpckit.model.toml_positions import Path, find_positions

BARE = st.text("abcXYZ019_-", min_size=1, max_size=6)
QUOTED = st.text(st.characters(exclude_categories=("C",), exclude_characters="\"'\\"), max_size=5)
KEYS = BARE | QUOTED.map(lambda k: f'"{k}"') | QUOTED.map(lambda k: f"'{k}'")
NUMBERS = st.sampled_from(
    [
        "0", "+7", "-1_000", "0x1F", "0o17", "0b11", "1e-2", "-1.50", "6.02E+23", "1_0.0_1",
        "true", "false", "1979-05-27", "1979-05-27 07:32:00", "1979-05-27T07:32:00.5-07:00",
        "07:32:00",
    ]
)  # fmt: skip
STRINGS = st.sampled_from(
    [
        '""', "''", '"# no comment"', '"a\\"b"', "'C:\\'", '"\\\\"', '"[x] = {y}"', '"é\\u00e9"',
        '"""a\nb"""', '"""\n"quoted" ""x"""""', "'''it's\n''two'''''", '"""tail \\\n   cut"""',
        '""""""', "'''\n'''",
    ]
)  # fmt: skip
GAPS = st.sampled_from(["", " ", "\n", " # a ] comment\n", "\n\n\t"])


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(inner, max_size=4))
    text = "["
    for number, item in enumerate(items):
        last = number == len(items) - 1
        comma = draw(st.sampled_from(["", ","])) if last else ","
        text += draw(GAPS) + item + draw(GAPS) + comma
    return text + draw(GAPS) + "]"


@st.composite
def inline_tables(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(BARE, max_size=3, unique=True))
    return "{ " + ", ".join(f"{key} = {draw(inner)}" for key in keys) + " }"


VALUES = st.recursive(
    NUMBERS | STRINGS, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=8
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    text = ""
    for _ in range(draw(st.integers(0, 3))):
        header = draw(st.lists(KEYS, min_size=1, max_size=3).map(" . ".join))
        text += draw(st.sampled_from([f"[{header}]", f"[[{header}]]", ""])) + " # a table\n"
        for _ in range(draw(st.integers(0, 4))):
            key = draw(st.lists(KEYS, min_size=1, max_size=2).map(".".join))
            text += f"{draw(st.sampled_from(['', '  ']))}{key} = {draw(VALUES)} # [ ] \" '\n"
        text += draw(GAPS)
    return text.removesuffix(draw(st.sampled_from(["", "\n"])))


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    else:
        yield path, value


@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_every_value_is_found_with_its_own_text_and_line(text: str, line_end: str) -> None:
    text = text.replace("\n", line_end)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # a key twice, say
    positions = find_positions(text)
    lines = text.replace("\r\n", "\n").split("\n")
    for path, value in leaves(data):
        found = positions[path]
        again = tomllib.loads(f"v = {found.text}")["v"]
        assert again == value or (isinstance(value, float) and math.isnan(value))
        assert found.text.split("\n")[0] in lines[found.line - 1]


def test_tables_and_arrays_have_a_line_too() -> None:
    positions = find_positions("a = 1\n\n[b.c]\nd = [\n  1,\n  2,\n]\n[[e]]\n[[e]]\nf = 0\n")
    wanted = {("b",): 3, ("b", "c"): 3, ("b", "c", "d"): 4, ("b", "c", "d", 1): 6, ("e", 1): 9}
    assert {path: positions[path].line for path in wanted} == wanted
    assert positions["e", 1, "f"].line == 10
