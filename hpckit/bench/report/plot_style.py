"""The style that all pictures share: colors, fonts, titles and notes.

The colors are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind people
can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

from hpckit.bench.report.load_results import BenchResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

COLORS: Final = {
    "workqueue": "#0072B2",
    "ray": "#D55E00",
    "pool": "#555555",
    "parallel": "#009E73",
    "hyperqueue": "#CC79A7",
}
_LETTERS_PER_INCH: Final = 17  # of a note below a picture
_OTHER: Final = "#999999"
INK: Final = "#222222"
FAINT: Final = "#BBBBBB"
LOST: Final = "#F0E442"
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "hpckit",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": "#888888",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def plot_context() -> Iterator[None]:
    """Use the style inside the block, and restore matplotlib's own afterwards."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def stamp(bench: BenchResult) -> str:
    """Return the metadata of a picture that names the document it was drawn from."""
    return f"hpckit {bench.path.name} {bench.digest}"


def engine_color(engine: str) -> str:
    """Return the color of an engine."""
    return COLORS.get(engine, _OTHER)


def _title(bench: BenchResult, text: str) -> str:
    noisy = " [noisy]" if bench.body.machine.noisy else ""
    return f"{bench.name}: {text}{noisy}"


def new_canvas(bench: BenchResult, text: str, note: str, size: tuple[float, float]) -> Canvas:
    """Return an empty picture with a title, and a note below; `size` is in inches."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=size, layout="constrained")
    note = fill(f"{note} Measured on {bench.measured_on}.", width=int(size[0] * _LETTERS_PER_INCH))
    canvas.suptitle(
        fill(_title(bench, text), int(size[0] * 11)),
        x=0.01,
        ha="left",
        fontsize=11,
        fontweight="bold",
    )
    canvas.supxlabel(note, x=0.01, ha="left", fontsize=8, color="#555555")
    return canvas
