"""Variants of a system: one ingredient taken out or put in, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from faunashot.errors import ParameterError
from faunashot.estimators.windows.from_scratch import FromScratch
from faunashot.systems.catalogue import System, systems
from faunashot.systems.variants import (
    ADD_ONE_IN,
    FROM_SCRATCH,
    LEAVE_ONE_OUT,
    Variant,
    ingredients,
    variant,
    variants,
)

FROM_SCRATCH_SYSTEMS = [s for s in systems().values() if s.head == FROM_SCRATCH]
OTHERS = [s for s in systems().values() if s.head != FROM_SCRATCH]
each_system = pytest.mark.parametrize("system", FROM_SCRATCH_SYSTEMS, ids=lambda s: s.name)


def everything(system: System) -> dict[str, Any]:
    """All settings of its network."""
    return FromScratch(**system.settings).options.model_dump()


def has(system: System, settings: dict[str, Any]) -> bool:
    return settings.items() <= everything(system).items()


@pytest.mark.parametrize("name", ingredients())
def test_every_setting_of_an_ingredient_is_one_of_the_networks(name: str) -> None:
    known, levels = FromScratch.Options().model_dump(), ingredients()[name]
    assert len(levels) > 1
    first = next(iter(levels.values()))
    for level, settings in levels.items():
        assert settings.keys() == first.keys(), level  # else a level would keep what another set
        for key, value in settings.items():
            assert key in known
            kinds = (int, float) if isinstance(known[key], float) else type(known[key])
            assert isinstance(value, kinds), key
    assert len({repr(settings) for settings in levels.values()}) == len(levels)


def test_no_setting_is_of_two_ingredients() -> None:
    keys = [key for levels in ingredients().values() for key in next(iter(levels.values()))]
    assert len(keys) == len(set(keys))


@each_system
def test_the_whole_system_is_as_it_is_and_the_bare_one_has_every_first_level(system) -> None:
    found = variants(system)
    assert list(found)[:2] == [LEAVE_ONE_OUT, ADD_ONE_IN]
    assert found[LEAVE_ONE_OUT].system == system
    bare = found[ADD_ONE_IN].system
    for levels in ingredients().values():
        assert has(bare, next(iter(levels.values())))
    taken = {key for levels in ingredients().values() for key in next(iter(levels.values()))}
    for key, value in everything(system).items():
        assert key in taken or everything(bare)[key] == value
    assert replace(bare, settings=system.settings) == system


@each_system
def test_a_variant_is_named_by_the_one_ingredient_in_which_it_differs(system) -> None:
    found = variants(system)
    for name, made in found.items():
        assert made.name == name
        if name in (LEAVE_ONE_OUT, ADD_ONE_IN):
            assert (made.side, made.ingredient, made.level, made.instead_of) == (name, "", "", "")
            continue
        assert name == f"{made.side}.{made.ingredient}.{made.level}"
        base, levels = found[made.side].system, ingredients()[made.ingredient]
        own, other = everything(base), everything(made.system)
        changed = {key for key in own if own[key] != other[key]}
        assert changed
        assert changed <= levels[made.level].keys()
        assert has(made.system, levels[made.level])
        assert made.instead_of == next((n for n, s in levels.items() if has(base, s)), "own")
        assert replace(made.system, settings=base.settings) == base


@each_system
def test_each_level_but_its_own_is_a_variant_of_the_whole_and_of_the_bare(system) -> None:
    found = variants(system)
    for side in (LEAVE_ONE_OUT, ADD_ONE_IN):
        for ingredient, levels in ingredients().items():
            made = {v.level for v in found.values() if (v.side, v.ingredient) == (side, ingredient)}
            own = {level for level, s in levels.items() if has(found[side].system, s)}
            assert made == set(levels) - own
            assert len(own) <= 1


def test_a_level_that_is_none_of_those_named_is_replaced_by_each_of_them() -> None:
    own = replace(FROM_SCRATCH_SYSTEMS[0], settings={"masks": 7})
    made = [
        v
        for v in variants(own).values()
        if (v.side, v.ingredient) == (LEAVE_ONE_OUT, "spec_augment")
    ]
    assert [v.level for v in made] == list(ingredients()["spec_augment"])
    assert {v.system.settings["masks"] for v in made}.isdisjoint({7})


@pytest.mark.parametrize("system", OTHERS, ids=lambda s: s.name)
def test_other_systems_are_whole_alone(system) -> None:
    assert list(variants(system)) == [LEAVE_ONE_OUT]
    assert variant(system, LEAVE_ONE_OUT) == variants(system)[LEAVE_ONE_OUT]
    with pytest.raises(ParameterError, match="variant: unknown value 'bare'; valid: whole"):
        variant(system, ADD_ONE_IN)


@each_system
def test_a_variant_is_found_by_its_name_and_another_is_told_the_nearest(system) -> None:
    for name, made in variants(system).items():
        assert isinstance(made, Variant)
        assert variant(system, name) == made
    with pytest.raises(ParameterError) as caught:
        variant(system, "bare.z_norm.wit")
    assert str(caught.value) == (
        "variant: unknown value 'bare.z_norm.wit'; did you mean 'bare.z_norm.with'?"
    )


@each_system
def test_making_variants_leaves_the_system_and_the_ingredients_as_they_are(system) -> None:
    settings, levels = dict(system.settings), repr(ingredients())
    made = variants(system)
    made[ADD_ONE_IN].system.settings["masks"] = -1
    assert system.settings == settings
    assert repr(ingredients()) == levels
    assert variants(system)[ADD_ONE_IN].system.settings["masks"] == 0
