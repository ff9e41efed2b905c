"""The house rules: who may import whom, what importing costs, how long a module may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "faunashot"
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "stages").glob("*.py")])

LAYERS = [
    {"cli", "stages", "__init__"},
    {"app"},
    {"pipeline"},
    {"serving", "detection", "labelling", "search", "export", "protocols", "tracking", "reporting"},
    {"recogniser"},
    {"recognition"},
    {"conditions", "systems"},
    {"estimators"},
    {"features"},
    {"backbones"},
    {"frontends", "runtimes"},
    {"data", "audio", "annotations", "evaluation", "weights"},
    {"download", "registry"},
    {"storage"},
    {"changed", "files", "native", "progress"},
    {"older_params", "options", "targets"},
    {"errors", "wording"},
]
"""Rooms from the top of the house to its foundations: a room may import those of lower layers."""

BESIDE = {
    ("tracking", "serving"),  # the model that is logged is the one that is served
    ("data", "audio"),
}
"""Pairs of one layer of which the first may import the second."""

PARAMS_READERS = {"cli", "stages", "app", "pipeline", "protocols", "tracking"}
"""Rooms that may import `params`, which lies in no layer: it validates names against the
registries, but imports them only then."""

UNKNOWN_TO = {
    "backbones": {"data", "evaluation"},  # networks know nothing of labels
    "features": {"data", "evaluation"},
    "estimators": {"data", "evaluation"},
    "systems": {"data", "evaluation"},
}
"""Rooms of lower layers that a room knows nothing of all the same."""

CONFINED = {
    "mlflow": {"tracking", "serving"},
    "tensorflow": {"backbones", "runtimes", "estimators", "export"},
    "keras": {"backbones", "runtimes", "estimators"},
    "tensorflow_hub": {"backbones", "runtimes"},
    "ai_edge_litert": {"backbones", "runtimes"},
    "av": {"audio"},
    "torch": {"weights", "runtimes"},
    "transformers": {"runtimes"},
    "huggingface_hub": {"runtimes"},
    "onnxruntime": {"runtimes"},
    "onnx": {"runtimes"},
    "tf2onnx": {"runtimes"},
    "ai_edge_quantizer": {"runtimes"},
    "safetensors": {"weights"},
    "perch_hoplite": {"search"},
    "ml_collections": {"search"},
    "streamlit": {"app"},
}
"""Libraries that only some rooms may import."""

WITHOUT_RESULT = {"changed", "cli", "errors", "params", "tracking"}
"""Rooms that check, log and print what a stage makes; dvc.yaml names parameters one by one."""

STAGES = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"].items()
}

MAX_LINES = 400


def _room(module: Path) -> str:
    if PACKAGE not in module.parents:
        return "stages"
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(module: Path) -> Iterator[str]:
    """Dotted names of all imports, those within functions too."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _allowed(room: str) -> set[str]:
    """Rooms that `room` may import."""
    depth = next(i for i, layer in enumerate(LAYERS) if room in layer)
    below = set().union(*LAYERS[depth + 1 :])
    beside = {second for first, second in BESIDE if first == room}
    params = {"params"} if room in PARAMS_READERS else set()
    return ({room} | below | beside | params) - UNKNOWN_TO.get(room, set())


def _shown(module: Path) -> str:
    return str(module.relative_to(ROOT))


@pytest.mark.parametrize("module", MODULES, ids=_shown)
def test_imports_point_down(module: Path) -> None:
    room = _room(module)
    names = {name.split(".")[1] for name in _imported(module) if name.startswith("faunashot.")}
    rooms = names & _rooms()  # what else the package has are its own names, as __version__
    if room != "params":
        assert rooms - _allowed(room) == set()


@pytest.mark.parametrize("module", MODULES, ids=_shown)
def test_libraries_stay_in_their_rooms(module: Path) -> None:
    libraries = {name.split(".")[0] for name in _imported(module)}
    confined = {name for name in libraries if _room(module) not in CONFINED.get(name, {*_rooms()})}
    assert confined == set()


def test_no_stage_hides_what_is_printed() -> None:
    hiding = [
        m for m in MODULES if _room(m) == "pipeline" and "quiet_native" in m.read_text("utf-8")
    ]
    assert hiding == []


def _rooms() -> set[str]:
    return {_room(module) for module in MODULES}


def test_every_room_has_its_layer() -> None:
    assert _rooms() - set().union(*LAYERS) == {"params"}


def _loaded_by(statement: str) -> set[str]:
    """Libraries that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("name", ["faunashot", "faunashot.cli.main", "faunashot.params"])
def test_importing_is_light(name: str) -> None:
    loaded = _loaded_by(f"import {name}")
    assert "faunashot" in loaded
    assert loaded & {"tensorflow", "mlflow", "sklearn", "librosa", "matplotlib", "dvc"} == set()


def test_no_module_loads_a_network_on_import() -> None:
    names = [
        ".".join(("faunashot", *module.relative_to(PACKAGE).with_suffix("").parts))
        for module in MODULES
        if _room(module) not in {"stages", "pipeline", *CONFINED["mlflow"], *CONFINED["streamlit"]}
    ]
    assert "faunashot.backbones.yamnet.model" in names
    loaded = _loaded_by(f"import importlib\nfor name in {names}: importlib.import_module(name)")
    heavy = {"tensorflow", "tensorflow_hub", "keras", "ai_edge_litert", "av", "mlflow", "dvc"}
    assert loaded & heavy == set()


@pytest.mark.parametrize("module", MODULES, ids=_shown)
def test_a_module_holds_one_thing(module: Path) -> None:
    assert len(module.read_text("utf-8").splitlines()) < MAX_LINES


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_again_when_what_it_imports_changes(name: str) -> None:
    deps = {ROOT / dep for dep in STAGES[name]["deps"]}
    script = ROOT / STAGES[name]["cmd"].split()[1]
    modules = [PACKAGE.parent / f"{dotted.replace('.', '/')}.py" for dotted in _imported(script)]
    results = [m for m in modules if m.is_file() and _room(m) not in WITHOUT_RESULT]
    assert script in deps
    assert [m for m in results if not deps & {m, *m.parents}] == []


def test_no_module_is_a_drawer() -> None:
    files = [*MODULES, *(ROOT / "tests").rglob("*.py")]
    assert {file.stem for file in files} & {"utils", "util", "helpers", "misc", "common"} == set()


@pytest.mark.parametrize("module", MODULES, ids=_shown)
def test_what_is_public_is_documented(module: Path) -> None:
    tree = ast.parse(module.read_text("utf-8"))
    if tree.body:
        assert ast.get_docstring(tree)
    documented = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    public = [
        node
        for scope in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
        for node in scope.body
        if isinstance(node, documented) and not node.name.startswith("_")
    ]
    # a stage's `main` is its module, whose docstring says it
    exempt = {"main"} if _room(module) == "stages" else set()
    bare = {node.name for node in public if not ast.get_docstring(node)}
    assert bare - exempt == set()


def test_test_modules_have_names_of_their_own() -> None:
    """Without packages, pytest imports two tests of one name as the same module."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
