"""What the report says beside its tables: of conditions, leakage, the unknown, and the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from faunashot.conditions.base import Condition, sentence_of
from faunashot.evaluation.uncertainty import Interval
from faunashot.wording import decimals, interval


def of_figures(figures: Mapping[str, Any], conditions: Sequence[Condition]) -> list[str]:
    """A sentence for each condition, for leakage and for the unknown.

    Parameters
    ----------
    figures : mapping
        As in ``reports/figures.json``.
    conditions : sequence of Condition
        That were asked for; one that is scored but is not among them gets a plain sentence.
    """
    return [
        *(_condition(name, of, conditions) for name, of in figures.get("conditions", {}).items()),
        *(_leakage(leak) for leak in [figures.get("leak")] if leak),
        *(_unknown(unknown) for unknown in [figures.get("unknown")] if unknown),
    ]


def of_data(ingested: Mapping[str, Any], audited: Mapping[str, Any]) -> list[str]:
    """What ingest and audit found, a line each, from their reports."""
    return [*_ingest(ingested), *_audit(audited)]


def _condition(name: str, of: Mapping[str, Any], conditions: Sequence[Condition]) -> str:
    difference = Interval(*(of[f"difference{end}"] for end in ("", "_low", "_high")))
    if difference.value is None:  # nothing that was scored says anything of it
        return f"Of the condition {name} there is no macro-F1"
    return (
        f"{sentence_of(name, conditions, difference)} (macro-F1 {decimals(of['macro_f1'])}; "
        f"difference {decimals(of['difference'])}, {interval(of, 'difference')}, "
        f"p = {decimals(of['p_value'])})"
    )


def _leakage(leak: Mapping[str, Any]) -> str:
    return (
        f"Folds that do not keep source recordings and duplicates together would be worth "
        f"{decimals(leak['worth'], sign=True)} ({interval(leak, 'worth')}): macro-F1 "
        f"{decimals(leak['leaking'])} in place of {decimals(leak['grouped'])}, over "
        "folds made of all clips"
    )


def _unknown(unknown: Mapping[str, Any]) -> str:
    return (
        f"Background is told from the classes at AUROC {decimals(unknown['auroc'])} "
        f"({interval(unknown, 'auroc')}); where 95 % of the clips pass, "
        f"{100 * unknown['false_alarms_at_recall']:.1f} % of the background does"
    )


def _ingest(ingested: Mapping[str, Any]) -> Iterator[str]:
    for name, found in ingested.items():
        counts = found["clips_a_class"].values()
        share = f"{min(counts)} to {max(counts)}" if len(set(counts)) > 1 else f"{max(counts)}"
        yield (
            f"{name}: {found['clips']} clips good, {share} a class, "
            f"{found['duration_s'] / 60:.1f} minutes; {len(found['bad'])} bad, "
            f"{len(found['flagged'])} worth a look; {found.get('silent', 0)} silent, "
            f"{found.get('narrow_band', 0)} with nothing above 4.5 kHz"
        )
        missing, folds = found.get("missing", 0), found.get("missing_folds", [])
        if missing or folds:
            yield (
                f"{name}: {missing} clips are listed and have no file; folds without a clip: "
                f"{', '.join(folds) or 'none'}"
            )
        yield from (f"bad: {b['path']}: {b['reason']}" for b in found["bad"][:20])


def _audit(audit: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{len(audit['exact_duplicates'])} groups of exact duplicates and "
        f"{len(audit['near_duplicates'])} near pairs joined, {len(audit['crossing'])} sets of them "
        f"across folds, {len(audit['conflicts'])} left out for having several labels; "
        f"{len(audit['across_corpora'])} in source and target at once"
    )
    shortcuts = audit["shortcuts"]
    if "skipped" in shortcuts:
        yield f"shortcuts not scored: {shortcuts['skipped']}"
        return
    yield (
        f"shortcuts: the label is told from format, length, level, noise floor and bandwidth "
        f"alone with macro-F1 {decimals(shortcuts['macro_f1'])} (chance "
        f"{decimals(shortcuts['chance_macro_f1'])}), from the file header alone with "
        f"{decimals(shortcuts['header']['macro_f1'])}"
    )
