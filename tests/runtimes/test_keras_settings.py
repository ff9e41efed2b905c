"""Keras is used as the project means it, not as the user's settings for other projects say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

THEIRS = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first"}
PRINT = """
from faunashot.runtimes.keras_network import deterministic_tensorflow
deterministic_tensorflow(1)
from keras import config
print(config.backend(), config.floatx(), config.image_data_format())
"""


@pytest.mark.slow
def test_settings_of_the_user_change_nothing(tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(THEIRS | {"epsilon": 1e-7}))
    said = subprocess.run(
        [sys.executable, "-c", PRINT],
        env=os.environ | {"HOME": str(tmp_path), "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert said.stdout.split() == ["tensorflow", "float32", "channels_last"], said.stderr
