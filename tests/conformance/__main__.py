"""``python -m tests.conformance``: write docs/reference/conformance.md from the cases."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.case import all_cases
from tests.conformance.table import render, uncovered

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance.md"


def main() -> int:
    cases = all_cases()
    DOCUMENT.write_text(render(cases))
    print(f"{DOCUMENT}: {len(cases)} cases")
    for topic in uncovered(cases):
        print(f"no case proves {topic}", file=sys.stderr)
    return 1 if uncovered(cases) else 0


if __name__ == "__main__":
    sys.exit(main())
