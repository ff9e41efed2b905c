"""The effect of each ingredient of a network: left out of the whole, and added to the bare one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from faunashot.data import Folds
from faunashot.evaluation.repeated import repeated_intervals
from faunashot.evaluation.summary import flat
from faunashot.protocols.support.grid import Cell
from faunashot.systems.catalogue import System
from faunashot.systems.variants import ADD_ONE_IN, LEAVE_ONE_OUT, Variant, ingredients, variants

SIDES = {LEAVE_ONE_OUT: "in the whole system", ADD_ONE_IN: "alone"}

Runs = Mapping[str, Sequence[pd.DataFrame]]
"""Of each variant by name, the scored clips of each seed, in one order of seeds."""


def cells(system: System, backbone: str, *, seeds: Sequence[int], folds: Folds) -> list[Cell]:
    """Every variant of a system with every seed."""
    return [
        Cell(variant.name, variant.system, backbone, seed, folds)
        for variant in variants(system).values()
        for seed in seeds
    ]


def ablation_effect(
    system: System, runs: Runs, classes: Sequence[str], **settings: Any
) -> pd.DataFrame:
    """What every ingredient adds, left out of the whole system and added to the bare one.

    Parameters
    ----------
    system : System
    runs : mapping of str to sequence of DataFrame
        Scored clips of each variant.
    classes : sequence of str
    **settings
        Of `repeated_intervals`.

    Returns
    -------
    DataFrame
        A row a variant that differs: variant, side, ingredient (with its level, or with what it
        replaces), and the figures of the system with it less those without: ``accuracy``,
        ``macro_f1``, each with ``_low`` and ``_high``.
    """
    rows = []
    for variant in variants(system).values():
        if not variant.ingredient:
            continue
        name, taken_out = _shown(variant)
        sides = [runs[variant.name], runs[variant.side]]
        with_it, without = reversed(sides) if taken_out else sides
        found = repeated_intervals(with_it, classes, less=without, **settings)
        rows.append(
            {
                "variant": variant.name,
                "side": SIDES[variant.side],
                "ingredient": name,
                **flat(found),
            }
        )
    return pd.DataFrame(rows)


def figures(runs: Runs, classes: Sequence[str], **settings: Any) -> pd.DataFrame:
    """Figures of each system or variant with their intervals, a row each."""
    return pd.DataFrame(
        {"variant": name, **flat(repeated_intervals(of, classes, **settings))}
        for name, of in runs.items()
    )


def _shown(variant: Variant) -> tuple[str, bool]:
    """How an ingredient is called, and whether the variant is what lacks it."""
    first = next(iter(ingredients()[variant.ingredient]))
    taken_out = variant.level == first
    level = variant.instead_of if taken_out else variant.level
    of_level = "" if level == "with" else f" ({level})"
    name = variant.ingredient.replace("_", " ") + of_level
    if not taken_out and variant.instead_of != first:
        name += f" rather than {variant.instead_of}"
    return name, taken_out
