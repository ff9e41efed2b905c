"""What is asked of every figure."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure


def saved_with_nothing_cut_off(figure: Figure, folder: Path) -> None:
    """Save a figure as a PNG; all that is drawn must lie on its page."""
    figure.savefig(folder / "figure.png")
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height
