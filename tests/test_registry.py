"""What registers itself: a package of modules, and packages of others, made here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from faunashot.errors import ParameterError
from faunashot.registry import Registry

CONTRACT = "class Animal:\n    pass\n"
CAT = "from zoo.base import Animal\n\nclass Cat(Animal):\n    pass\n"


def write(folder: Path, **modules: str) -> None:
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)


def installed(site: Path, package: str, **entries: str) -> None:
    """The metadata that pip leaves of a package with entry points of the group `zoo`."""
    info = site / f"{package}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[zoo]", *lines, ""]))


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] in ("zoo", "park")]:
        monkeypatch.delitem(sys.modules, name)
    write(tmp_path / "zoo", base=CONTRACT, cat=CAT, _hidden="raise RuntimeError", torn="import no")
    return Registry("animal", "zoo", contract="zoo.base:Animal")


def test_modules_are_found_and_none_is_imported_for_it(zoo: Registry) -> None:
    assert zoo.names() == ["cat", "torn"]
    assert "zoo.cat" not in sys.modules
    assert zoo["cat"].__name__ == "Cat"


def test_the_nearest_name_is_told(zoo: Registry) -> None:
    with pytest.raises(ParameterError, match="animal: unknown value 'cats'; did you mean 'cat'"):
        zoo["cats"]


def test_one_that_does_not_import_is_named_and_the_others_go_on(
    zoo: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ParameterError, match="animal 'torn' of faunashot cannot be imported: No m"):
        zoo["torn"]
    assert list(zoo.classes()) == ["cat"]
    assert list(zoo.classes()) == ["cat"]
    assert capsys.readouterr().err.count("torn") == 1


def test_another_package_adds_one(zoo: Registry, tmp_path: Path) -> None:
    write(tmp_path / "park", dog=CAT.replace("Cat", "Dog"))
    installed(tmp_path, "park", dog="park.dog:Dog", cow="park.dog:Cow", path="pathlib:Path")
    assert zoo.names() == ["cat", "cow", "dog", "path", "torn"]
    assert zoo["dog"].__name__ == "Dog"
    with pytest.raises(ParameterError, match="animal 'cow' of package park cannot be imported"):
        zoo["cow"]
    with pytest.raises(ParameterError, match=r"does not extend zoo\.base\.Animal"):
        zoo["path"]


def test_two_of_one_name_are_refused(zoo: Registry, tmp_path: Path) -> None:
    write(tmp_path / "park", dog=CAT)
    installed(tmp_path, "park", cat="park.dog:Cat")
    with pytest.raises(ParameterError, match="'cat' is given by faunashot and by package park"):
        zoo["cat"]


def test_a_module_holds_one_and_no_more(zoo: Registry, tmp_path: Path) -> None:
    (tmp_path / "zoo" / "pair.py").write_text(f"{CAT}\nclass Lion(Animal):\n    pass\n")
    with pytest.raises(ParameterError, match="must hold one Animal, not Cat, Lion"):
        zoo["pair"]
