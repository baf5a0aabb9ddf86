"""Field types that bags and sites share: durations, sizes, counts, lists of strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from hpckit.errors import InputError
from hpckit.model.toml_file import describe, text_of
from hpckit.model.units import parse_duration_s, parse_memory_mib, parse_wait_s

DURATION = 'a duration such as "90s", "5m", "1h30m" or "HH:MM:SS"'
MEMORY = 'a memory size such as "500 MB", "2 GiB" or "4G"'
STRINGS = "a list of strings"
TABLE = "a table"
POSITIVE = "a whole number of at least 1"
NATURAL = "a whole number of at least 0"
SWITCH = "true or false"


class Frozen(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


def _measured(parse: Callable[[str | float], int], needed: str) -> BeforeValidator:
    """Read a text or number with a unit by `parse`; `needed` says in a message what is valid."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"{describe(value)} is not {needed}")
        try:
            return parse(value)
        except InputError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(read)


def _written(value: Any) -> Any:
    """Return a number as the file writes it, for fields that are texts."""
    return text_of(value) if isinstance(value, int | float) else value


def _no_zero_byte(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a zero byte, which no command, path or variable can")
    return value


Text = Annotated[str, AfterValidator(_no_zero_byte), BeforeValidator(_written)]
Strings = tuple[Annotated[str, AfterValidator(_no_zero_byte)], ...]
Seconds = Annotated[int, _measured(parse_duration_s, DURATION)]
SecondsOrNone = Annotated[int, _measured(parse_wait_s, DURATION)]
Mebibytes = Annotated[int, _measured(parse_memory_mib, MEMORY)]
Count = Annotated[int, Field(strict=True, ge=1)]
CountOrNone = Annotated[int, Field(strict=True, ge=0)]
