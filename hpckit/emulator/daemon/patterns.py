"""File name patterns of ``--output``, ``--error`` and ``--input``.

Source: sbatch(1) and srun(1), *filename pattern*. ``%%`` is a percent sign; a number between
``%`` and the letter pads with zeros (at most 10 digits); a backslash turns patterns off.
"""

from __future__ import annotations

_MAX_WIDTH = 10


def expand(pattern: str, values: dict[str, str]) -> str:
    """Return the file name; letters that `values` lacks stay as they are."""
    if "\\" in pattern:
        return pattern.replace("\\", "")
    out, index = "", 0
    while index < len(pattern):
        char = pattern[index]
        index += 1
        if char != "%":
            out += char
            continue
        width = ""
        while index < len(pattern) and pattern[index].isdigit():
            width += pattern[index]
            index += 1
        letter = pattern[index : index + 1]
        index += 1
        if letter == "%" and not width:
            out += "%"
        elif letter in values:
            value = values[letter]
            digits = value.isdigit() and width
            out += value.zfill(min(int(width), _MAX_WIDTH)) if digits else value
        else:
            out += "%" + width + letter
    return out
