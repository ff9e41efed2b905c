"""The card of an exported file: what it takes and gives, and what it lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faunashot.export.measured import SCORED, Measured


def export_card(facts: Mapping[str, Any], *, size: int, measured: Measured | None) -> str:
    """Markdown card of a file.

    Parameters
    ----------
    facts : mapping
        As they are written into the file.
    size : int
        Of the file, in bytes.
    measured : Measured, optional
        None where there were no recordings to measure on.
    """
    read, backbone = facts["input"], facts["backbone"]
    lines = [
        f"# {facts['name']}, {facts['format']} {facts['precision']}",
        "",
        facts["description"],
        "",
        "## What it takes and gives",
        "",
        f"- Input `waveform`: {read['samples']:,} samples of one channel at "
        f"{read['sample_rate_hz']:,} Hz, float32 in [-1, 1]: one window. The last window of a "
        "recording is filled up with zeros.",
        f"- Output `probabilities`: {len(facts['classes'])} numbers, of "
        f"{', '.join(facts['classes'])}. {facts['output']}",
        f"- Windows follow each other by {read['hop_s']:g} s. {facts['pooling']['rule']}",
        *(f"- {note}" for note in facts["notes"]),
        "",
        "## Size, speed and what was lost",
        "",
        f"The file has {size / 1e6:.2f} MB.",
        "",
        *(_figures(measured) if measured else ["Not measured: there were no recordings of it."]),
        "",
        "## Made of",
        "",
        f"- Backbone {backbone['name']} {backbone['version']}, weights "
        f"{backbone['weights_hash'][:12]}. Licence: {backbone['licence'] or 'none'}. "
        f"{backbone['citation']}",
        f"- System {facts['system'].get('name', '')}, trained on the corpus `{facts['corpus']}` "
        f"by the protocol `{facts['protocol']}`, seed {facts['seed']}.",
        f"- faunashot {facts['version']}.",
        "",
    ]
    return "\n".join(lines)


def _figures(measured: Measured) -> list[str]:
    of = measured
    known = (
        f" The system has learned from {of.learned_from} of them: the figures compare the two, "
        "and say nothing of new recordings."
        if of.learned_from
        else " The system has learned from none of them."
    )
    bad = f" {of.bad} more could not be read." if of.bad else ""
    return [
        f"On {of.clips} recordings of {of.windows} windows.{known}{bad}",
        "",
        "| | system | system, windows pooled | file, windows pooled |",
        "|---|---|---|---|",
        _row("accuracy", of.accuracy),
        _row("macro-F1", of.macro_f1),
        "",
        f"Of {of.same_label:.2%} of the recordings the system's windows and the file's give the "
        "same label. The probability of a class in a window differs by "
        f"{of.largest_difference:.2g} at most, by {of.mean_difference:.2g} on average. A window "
        f"takes {of.ms_per_window:.2f} ms of one thread on the machine that wrote this.",
    ]


def _row(title: str, of: Mapping[str, float]) -> str:
    return f"| {title} | {' | '.join(f'{of[name]:.4f}' for name in SCORED)} |"
