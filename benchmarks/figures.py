"""Draw what the benchmarks printed.

    python benchmarks/figures.py docs/figures/performance

reads FOLDER/{embed-*,stream,growth}.json, as far as they are there, and writes FOLDER.png.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from faunashot.evaluation.plot_style import COLOURS, INK, MARKERS, head_line, new_figure, plain

STEPS = ("header", "decode", "resample", "front_end", "network")


def draw_steps(axes: Axes, runs: dict[str, dict[str, Any]]) -> None:
    """Processor time a window by step, as shares, with what it is in all."""
    for at, run in enumerate(runs.values()):
        steps = run["steps_core_ms_per_window"]
        total, left = sum(steps.values()), 0.0
        for colour, name in zip(COLOURS, STEPS, strict=False):
            share = 100 * steps[name] / total
            axes.barh(at, share, left=left, color=colour, label=name if at == 0 else None)
            left += share
        axes.text(101, at, f"{total:.3g} ms", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(runs)), list(runs))
    axes.invert_yaxis()
    axes.set_xlim(0, 115)
    axes.set_xlabel("% of the processor time of a window")
    axes.legend(ncols=5, fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.3))
    head_line(axes, "", "What a window costs")


def draw_stream(axes: Axes, run: dict[str, Any]) -> None:
    """Time and peak memory against the length of a recording."""
    minutes = [row["minutes"] for row in run["lengths"]]
    axes.plot(minutes, [row["wall_s"] for row in run["lengths"]], marker="o", color=COLOURS[0])
    axes.set_ylabel("seconds", color=COLOURS[0], fontsize=9.5)
    axes.set_xlabel("minutes of audio")
    axes.set_ylim(bottom=0)
    memory = axes.twinx()
    memory.plot(minutes, [row["peak_mb"] for row in run["lengths"]], marker="s", color=COLOURS[1])
    memory.set_ylabel("peak memory, MB", color=COLOURS[1], fontsize=9.5)
    memory.tick_params(labelsize=9)
    memory.set_ylim(0, 1200)
    memory.spines[["top"]].set_visible(False)
    head_line(axes, "", f"One long recording, {run['backbone']}")


def draw_growth(axes: Axes, run: dict[str, Any]) -> None:
    """Processor time of each step against clips."""
    for at, step in enumerate(run["steps"]):
        clips, taken = ([row[name] for row in step["sizes"]] for name in ("clips", "cpu_s"))
        label = f"{step['step']}, exponent {step['cpu_s_exponent']['all']:.2f}"
        axes.loglog(clips, taken, marker=MARKERS[at], color=COLOURS[at], label=label)
    axes.set_xlabel("clips")
    axes.set_ylabel("processor seconds")
    axes.legend(fontsize=8, frameon=False)
    head_line(axes, "", "Cost against the size of the corpus")


def main(folder: Path) -> None:
    """Draw the figure."""
    read = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    embed = {k.removeprefix("embed-"): run for k, run in read.items() if k.startswith("embed-")}
    figure = new_figure(11, 7)
    grid = figure.subplot_mosaic([["steps", "steps"], ["stream", "growth"]], height_ratios=[2, 3])
    for axes in grid.values():
        plain(axes)
    draw_steps(grid["steps"], embed)
    draw_stream(grid["stream"], read["stream"])
    draw_growth(grid["growth"], read["growth"])
    figure.savefig(folder.with_suffix(".png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
