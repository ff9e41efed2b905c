"""The model card: what a model was trained on, under which licences, and how well it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faunashot.systems.record import BackboneRecord, TrainedSystem
from faunashot.wording import DRAWS_ALONE, INTERVAL, decimals, interval, is_drawn, sentence


def model_card(
    record: TrainedSystem,
    figures: Mapping[str, Any],
    *,
    system: str,
    titles: Mapping[str, str],
    corpus_licence: str,
    corpus_citation: str,
) -> str:
    """Markdown card from what a model says of itself and the metrics of its run.

    Parameters
    ----------
    record : TrainedSystem
    figures : mapping
        As in ``reports/figures.json``.
    system : str
        What was scored, such as ``yamnet-logistic``.
    titles : mapping of str to str
        Of each metric in `figures` by name, what people call it.
    corpus_licence, corpus_citation : str
        Of the recordings.
    """
    learned = record.learned_from
    trained = (
        f"{len(learned)} clips of the corpus `{record.corpus}`"
        if learned
        else f"no clip of the corpus `{record.corpus}`"
    )
    joint = "" if record.source == "none" else f", beside the corpus `{record.source}`"
    lines = [
        f"# {system} on {record.corpus}",
        "",
        f"Recognises {len(record.classes)} classes: {', '.join(record.classes)}.",
        "",
        "## Figures",
        "",
        f"Protocol `{record.protocol}`, k = {record.k} labelled clips a class, "
        f"{figures['clips']} clips scored that the scored heads had not seen.",
        "",
    ]
    drawn = any(is_drawn(figures, key) for key in titles)
    kinds = {INTERVAL: False} | ({DRAWS_ALONE: True} if drawn else {})
    lines += [_row("", "clips", *kinds, "windows"), "|" + "---|" * (len(kinds) + 3)]
    for key, title in titles.items():
        intervals = [interval(figures, key, draws=draws) for draws in kinds.values()]
        of_windows = decimals(figures["window"][key]) if key in figures["window"] else ""
        lines.append(_row(title, decimals(figures[key]), *intervals, of_windows))
    lines += [
        "",
        sentence(drawn=drawn),
        "",
        f"{_network(record)}{_tempered(record)}The model that is served was fitted "
        f"once more, on {trained}{joint}; the figures are those of heads fitted in the same way "
        "and scored on other clips.",
        "",
        *_trained_on(record),
        f"- Corpus {record.corpus}: {corpus_licence}. {corpus_citation}",
        "",
        *_limits(record),
    ]
    return "\n".join(lines)


def record_card(record: TrainedSystem) -> str:
    """Markdown card of what a model says of itself, without the metrics of its run."""
    thresholds = {name: threshold.value for name, threshold in record.thresholds.items()}
    said = ", ".join(f"{name} {value:.2f}" for name, value in thresholds.items())
    lines = [
        f"# {record.system.get('name', record.estimator)} on {record.corpus or 'a corpus'}",
        "",
        f"Recognises {len(record.classes)} classes: {', '.join(record.classes)}. "
        f"Protocol `{record.protocol}`, k = {record.k}, {len(record.learned_from)} clips learned "
        f"from. {_network(record)}{_tempered(record)}",
        "",
        *([f"Thresholds: {said}.", ""] if said else []),
        *_trained_on(record),
        "",
        *_limits(record),
    ]
    return "\n".join(lines)


def _trained_on(record: TrainedSystem) -> list[str]:
    return [
        "## Trained on, and licences",
        "",
        *(
            f"- Backbone {backbone.name} {backbone.version}{_run_by(backbone)}: "
            f"{backbone.trained_on}. Licence: {backbone.licence}. {backbone.citation}"
            for backbone in record.backbones
        ),
    ]


def _run_by(backbone: BackboneRecord) -> str:
    """The runtime that a backbone's options name, where they do."""
    runtime = backbone.options.get("runtime")
    return f", run by {runtime}" if runtime else ""


def _limits(record: TrainedSystem) -> list[str]:
    return [
        "## Limits",
        "",
        f"{_unknown(record)} "
        "Figures from one corpus do not carry over to other recorders, places or seasons.",
        "",
    ]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _network(record: TrainedSystem) -> str:
    if not record.cost:
        return ""
    return (
        f"It is a network of {record.cost['parameters']:,} parameters, which takes "
        f"{record.cost['macs'] / 1e6:.1f} million multiply-adds for a window. "
    )


def _tempered(record: TrainedSystem) -> str:
    if not record.temperature:
        return ""
    return (
        f"Its probabilities are at temperature {record.temperature.value:.2f}, fitted on "
        f"{record.temperature.clips} clips that the head had not learned from. "
    )


def _unknown(record: TrainedSystem) -> str:
    unknown = record.unknown
    if unknown is None:
        if record.multi_label:
            return "A recording may be of several of its classes, or of none of them."
        return "It answers with one of its classes for any sound, also where none of them is heard."
    return (
        "It answers `unknown` for a recording that is less like its classes than like background. "
        f"The threshold of that, {unknown.threshold:.4f}, was set where "
        f"{unknown.false_alarm_rate:.0%} of {unknown.recordings} background recordings "
        f"({unknown.background}) are still taken for one of the classes; of other kinds of "
        "sound it will be more."
    )
