"""Signal names and numbers as Slurm's commands take them.

Source: sbatch(1) ``--signal=[{R|B}:]<sig_num>[@sig_time]``, scancel(1) ``--signal``.
"""

from __future__ import annotations

import signal

DEFAULT_LEAD_S = 60


def number(text: str) -> int:
    """Return the number of ``USR1``, ``SIGUSR1``, ``usr1`` or ``10``.

    Raises:
        ValueError: there is no such signal.
    """
    word = text.strip().upper()
    if word.isdigit():
        value = int(word)
        if not 0 < value < 65:
            raise ValueError(text)
        return value
    name = word if word.startswith("SIG") else f"SIG{word}"
    found = getattr(signal, name, None)
    if not isinstance(found, signal.Signals):
        raise ValueError(text)
    return int(found)


def parse_warning(text: str) -> dict[str, object]:
    """Return ``{"signal", "lead_s", "batch"}`` of ``--signal=B:USR2@120``.

    Raises:
        ValueError: the text is no such thing.
    """
    prefix, colon, rest = text.rpartition(":")
    flags = prefix.upper()
    if colon and (not flags or set(flags) - set("BR")):
        raise ValueError(text)
    name, at, lead = rest.partition("@")
    if at and not lead.isdigit():
        raise ValueError(text)
    return {
        "signal": number(name),
        "lead_s": int(lead) if at else DEFAULT_LEAD_S,
        "batch": "B" in flags,
    }
