"""Exports a trained system: the file, its side file, and its card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faunashot import __version__
from faunashot.errors import ParameterError
from faunashot.export.card import export_card
from faunashot.export.chain import Chain, chain_of
from faunashot.export.formats import MODEL_FORMATS
from faunashot.export.formats.base import PRECISIONS, Format, checked_suffix
from faunashot.export.measured import Measured, measure
from faunashot.export.windows import LabelledClip, some_inputs
from faunashot.files import write_atomically
from faunashot.recogniser import Recogniser

CALIBRATION = 64
"""Windows that the ranges of integers are taken from."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes
    ----------
    file : Path
    beside : list of Path
        The side file, the card, and what readers of the format look for.
    size : int
        Of the file, in bytes.
    measured : Measured, optional
    """

    file: Path
    beside: list[Path]
    size: int
    measured: Measured | None
    facts: dict[str, Any] = field(repr=False, default_factory=dict)


def export(
    recogniser: Recogniser,
    out: Path,
    *,
    format_name: str,
    precision: str = "float32",
    calibration: Sequence[LabelledClip] = (),
    test: Sequence[LabelledClip] = (),
) -> Exported:
    """Write a trained system as one file, with a side file of its facts and a card.

    Parameters
    ----------
    recogniser : Recogniser
        The system.
    out : Path
        The file; ``NAME.json`` and ``NAME.md`` come beside it.
    format_name : str
        One of `faunashot.export.formats.MODEL_FORMATS`.
    precision : str
        Of the network: float32, float16 (of the weights), or int8.
    calibration : sequence of LabelledClip
        Recordings that ranges of integers are taken from; none to be scored.
    test : sequence of LabelledClip
        Recordings that the file is measured on.

    Raises
    ------
    ParameterError
        The system, the precision or the name of the file does not fit the format, or there are no
        recordings for integers.
    WeightsError
        What writes the format is not installed.
    """
    kind: type[Format] = MODEL_FORMATS[format_name]
    if precision not in PRECISIONS:
        raise ParameterError.unknown("--precision", precision, PRECISIONS)
    checked_suffix(kind, out)
    of_format = kind()
    chain = chain_of(recogniser, logits=of_format.ends_in_logits)
    of_format.refuse(chain, precision)
    rows = []
    if precision == "int8":
        (extractor,) = recogniser.extractors
        rows = list(some_inputs(calibration, extractor, windows=CALIBRATION))
        if not rows:
            raise ParameterError(
                "--precision int8 needs recordings that the system has learned from, to find the "
                "range of each number with: run it in the project, or name them with --recordings"
            )
    facts = facts_of(chain, format_name=format_name, precision=precision, calibrated_on=len(rows))
    content = of_format.content(chain, precision=precision, rows=rows, facts=facts)
    measured = _measured(chain, of_format, content, test) if test else None
    card = export_card(facts, size=len(content), measured=measured)
    side = {**facts, "size": len(content), "measured": measured and measured.to_json()}
    beside = {
        out.with_suffix(".json"): json.dumps(side, indent=1, ensure_ascii=False) + "\n",
        out.with_suffix(".md"): card,
        **of_format.beside(out, recogniser.classes),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, content)
    for file, text in beside.items():
        write_atomically(file, text)
    return Exported(out, [*beside], len(content), measured, facts)


def _measured(
    chain: Chain, of_format: Format, content: bytes, test: Sequence[LabelledClip]
) -> Measured:
    with tempfile.TemporaryDirectory(prefix="faunashot-") as folder:
        file = Path(folder, f"model{of_format.suffix}")
        file.write_bytes(content)
        return measure(chain, of_format.runner(file), test)


def facts_of(
    chain: Chain, *, format_name: str, precision: str, calibrated_on: int = 0
) -> dict[str, Any]:
    """What a file says of itself, JSON-ready."""
    recogniser = chain.recogniser
    record, read = recogniser.record, chain.front_end
    (backbone,) = record.backbones
    system = record.system.get("name") or record.estimator
    name = f"{backbone.name}-{system}"
    return {
        "name": name,
        "description": (
            f"Recognises {len(record.classes)} classes of the corpus {record.corpus or 'given'} in "
            f"windows of {read.window_s:g} s of sound."
        ),
        "version": __version__,
        "licence": backbone.licence,
        "format": format_name,
        "precision": precision,
        "classes": record.classes,
        "multi_label": record.multi_label,
        "input": {
            "sample_rate_hz": read.sample_rate,
            "samples": read.window_samples,
            "window_s": read.window_s,
            "hop_s": read.hop_s,
            "channel": backbone.reading.get("channel", "mix"),
        },
        "output": _output(record.multi_label, chain, format_name),
        "temperature": None if record.temperature is None else record.temperature.value,
        "pooling": {"how": chain.pooling, "rule": _rule(chain)},
        "calibrated_on_windows": calibrated_on,
        "backbone": backbone.model_dump(),
        "system": record.system,
        "corpus": record.corpus,
        "source": record.source,
        "protocol": record.protocol,
        "k": record.k,
        "seed": record.seed,
        "notes": _notes(chain),
    }


def _output(multi_label: bool, chain: Chain, format_name: str) -> str:
    temperature = chain.recogniser.record.temperature
    calibrated = "" if temperature is None else f", at temperature {temperature.value:.3f}"
    if MODEL_FORMATS[format_name].ends_in_logits:
        return f"They are the logits of the probabilities{calibrated}: their sigmoid gives those."
    if multi_label:
        return f"Each is a probability by itself{calibrated}."
    return f"They sum to 1{calibrated}."


def _rule(chain: Chain) -> str:
    rule = (
        f"A recording's score is pooled from those of its windows by `{chain.pooling}`, each "
        "counted by the seconds of the recording that it covers."
    )
    if chain.recogniser.record.temperature is not None:
        rule += " The temperature is undone before and applied after."
    if chain.pools_features:
        rule += (
            " The system itself averages the features of a recording before its head, which a "
            "file of one window cannot do: what that costs is in the figures below."
        )
    return rule


def _notes(chain: Chain) -> list[str]:
    record = chain.recogniser.record
    notes = []
    if record.unknown is not None:
        notes.append("It does not say `unknown`: it answers with its classes for any sound.")
    if record.shifts:
        notes.append("The system scores shifted copies of a recording, too; the file does not.")
    return notes
