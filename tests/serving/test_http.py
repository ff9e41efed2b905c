"""`mlflow models serve`, as a user starts it, with every form of request."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import fake_recogniser
import pandas as pd
import pytest
import requests
from fake_recogniser import PROBABILITIES
from server import register, served

from faunashot.tracking import store

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
AUDIO = base64.b64encode(b"RIFF, and so on").decode()
FAKE = """
import sys
sys.path.append({folder!r})
import fake_recogniser
sys.modules["faunashot.recogniser"] = fake_recogniser
"""


def fake(root: Path) -> Path:
    """Folder of a model that the fake recogniser reads nothing of."""
    model = root / "models" / "fake"
    model.mkdir(parents=True)
    (model / "model.json").write_text("{}")
    return model


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("served")
    (root / "mlflow.db").symlink_to("mlruns/mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.setitem(sys.modules, "faunashot.recogniser", fake_recogniser)
        store.connect(root)
        register(root, fake(root), example_audio=b"RIFF")
        yield root
    store.mlflow.set_tracking_uri(None)
    store.mlflow.set_registry_uri(None)


@pytest.fixture(scope="module")
def url(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that runs from the project's folder with none of our variables."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(FAKE.format(folder=str(HERE)))
    paths = [str(site), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    python_path = os.pathsep.join(str(Path(path).absolute()) for path in paths)
    with served(project, site / "log", PYTHONPATH=python_path) as address:
        yield address


def post(url: str, body: object) -> requests.Response:
    return requests.post(url, json=body, timeout=30)


FORMS = {
    "dataframe_split": {"dataframe_split": {"columns": ["audio"], "data": [[AUDIO], [AUDIO]]}},
    "dataframe_records": {"dataframe_records": [{"audio": AUDIO}, {"audio": AUDIO}]},
    "inputs as columns": {"inputs": {"audio": [AUDIO, AUDIO]}},
    "inputs as records": {"inputs": [{"audio": AUDIO}, {"audio": AUDIO}]},
    "inputs as a list": {"inputs": [AUDIO, AUDIO]},
    "instances": {"instances": [{"audio": AUDIO}, {"audio": AUDIO}]},
    "instances as a list": {"instances": [AUDIO, AUDIO]},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_answered_row_by_row(url: str, form: str) -> None:
    answer = post(url, FORMS[form])
    assert answer.status_code == 200, answer.text
    expected = {"label": "dog", "probabilities": PROBABILITIES}
    assert answer.json() == {"predictions": [expected, expected]}


def test_csv_is_answered(url: str) -> None:
    body = f"audio\n{AUDIO}\n"
    answer = requests.post(url, data=body, headers={"Content-Type": "text/csv"}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["probabilities"] == PROBABILITIES


@pytest.mark.parametrize("form", FORMS)
def test_windows_are_answered_when_asked_for(url: str, form: str) -> None:
    answer = post(url, FORMS[form] | {"params": {"windows": True}})
    assert answer.status_code == 200, answer.text
    window = {"start_s": 0.0, "end_s": 3.0, "probabilities": PROBABILITIES}
    assert answer.json()["predictions"][1]["windows"] == [window]


def test_the_example_that_comes_with_the_model_is_a_request(url: str, project: Path) -> None:
    (example,) = project.rglob("serving_input_example.json")
    answer = post(url, json.loads(example.read_text()))
    assert answer.status_code == 200, answer.text


BAD_CELLS = {
    "empty": ("", "is empty"),
    "null": (None, "is empty"),
    "not base64": ("!!!", "is not base64"),
    "a path": ("clips/dog.wav", "paths and URLs are not opened"),
    "a URL": ("https://example.org/dog.wav", "paths and URLs are not opened"),
    "a number": (12, "row 1: "),
    "no audio": (base64.b64encode(b"MZ, a program").decode(), "the recording cannot be decoded"),
    "too large": (base64.b64encode(bytes(50_000_001)).decode(), "is larger than 50 MB"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_bad_cell_is_one_line_in_its_row_and_the_others_are_answered(url: str, case: str) -> None:
    cell, what = BAD_CELLS[case]
    answer = post(url, {"dataframe_records": [{"audio": AUDIO}, {"audio": cell}]})
    assert answer.status_code == 200, answer.text[:500]
    good, bad = answer.json()["predictions"]
    assert good["label"] == "dog"
    assert set(bad) == {"error"}
    assert bad["error"].startswith("row 1: ")
    assert what in bad["error"]
    assert "\n" not in bad["error"]


def test_where_no_row_can_be_read_the_request_is_refused_in_one_line(url: str) -> None:
    answer = post(url, {"inputs": ["!!!", "clips/dog.wav"]})
    assert answer.status_code == 400, answer.text[:500]
    assert answer.json() == {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "row 0: audio is not base64: send an audio file's bytes as base64, paths and "
        "URLs are not opened",
    }


@pytest.mark.parametrize("form", ["frame", "columns"])
def test_in_python_the_model_takes_what_the_server_does(project: Path, form: str) -> None:
    store.connect(project)
    model = store.mlflow.pyfunc.load_model("models:/faunashot-demo@champion")
    given = {"frame": pd.DataFrame({"audio": [AUDIO]}), "columns": {"audio": AUDIO}}[form]
    assert model.predict(given) == [{"label": "dog", "probabilities": PROBABILITIES}]


def test_limits_of_the_logged_model_can_be_set_when_it_is_loaded(project: Path) -> None:
    store.connect(project)
    uri = "models:/faunashot-demo@champion"
    model = store.mlflow.pyfunc.load_model(uri, model_config={"max_rows": 1})
    assert len(model.predict(pd.DataFrame({"audio": [AUDIO]}))) == 1
    with pytest.raises(store.mlflow.MlflowException, match="2 rows: send at most 1 at a time"):
        model.predict(pd.DataFrame({"audio": [AUDIO, AUDIO]}))


PARAMETERS = [
    ({"top_k": 1, "embedding": True, "threshold": 0.1}, 200, "dog"),
    ({"top_k": 0}, 400, "parameter top_k: needs a whole number from 1 on, got 0"),
    ({"threshold": -1}, 400, "parameter threshold: needs a number from 0 to 1, got -1"),
    ({"threshold": float("nan")}, 400, "parameter threshold: needs a number from 0 to 1, got nan"),
    ({"top_k": "3"}, 400, "Can not safely convert"),
]


@pytest.mark.parametrize(("params", "status", "said"), PARAMETERS)
def test_parameters_are_followed_or_refused(url: str, params: dict, status: int, said: str) -> None:
    body = json.dumps({"inputs": [AUDIO], "params": params})
    headers = {"Content-Type": "application/json"}
    answer = requests.post(url, data=body, headers=headers, timeout=30)
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert "Traceback" not in answer.text


BAD_TABLES = {
    "another column": {"dataframe_records": [{"sound": AUDIO}]},
    "no columns": {"dataframe_split": {"columns": [], "data": []}},
    "no rows": {"dataframe_split": {"columns": ["audio"], "data": []}},
    "another column of inputs": {"inputs": {"sound": [AUDIO]}},
    "an empty list": {"inputs": []},
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_one_line(url: str, case: str) -> None:
    answer = post(url, BAD_TABLES[case])
    assert answer.status_code == 400, answer.text
    assert "audio" in answer.json()["message"]
    assert "\n" not in answer.json()["message"]
    assert "Traceback" not in answer.text


def test_a_csv_of_another_column_is_one_line(url: str) -> None:
    body = f"sound\n{AUDIO}\n"
    answer = requests.post(url, data=body, headers={"Content-Type": "text/csv"}, timeout=30)
    assert answer.status_code == 400
    assert "no column 'audio'" in answer.json()["message"]


def test_a_fault_of_the_server_tells_nothing(url: str) -> None:
    answer = post(url, {"inputs": {"audio": [base64.b64encode(b"CRASH").decode()]}})
    assert answer.status_code == 500
    assert answer.json()["message"] == "row 0: the server failed, see its log"
    assert "secret" not in answer.text
