"""LiteRT, once TensorFlow Lite: phones, single-board computers, microcontrollers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from faunashot.export.chain import Chain
from faunashot.export.formats.base import (
    PROBABILITIES,
    WAVEFORM,
    FloatArray,
    Format,
    Runner,
)
from faunashot.runtimes.litert import LiteRt
from faunashot.runtimes.litert_files import in_half_precision, in_integers, joined
from faunashot.runtimes.litert_metadata import FACTS, described


class LiteRtFormat(Format):
    """A ``.tflite`` file, its labels and facts in it as TensorFlow Lite's metadata."""

    suffix = ".tflite"
    windows: ClassVar[int | None] = 1
    """That a file takes at once; None where its reader chooses."""

    def content(
        self,
        chain: Chain,
        *,
        precision: str,
        rows: Sequence[FloatArray],
        facts: dict[str, Any],
    ) -> bytes:
        """As `Format.content`."""
        before, body, after = (part.litert(windows=self.windows) for part in chain.parts)
        if precision == "float16":
            body = in_half_precision(body)
        elif precision == "int8":
            body = in_integers(body, rows)
        model = joined([before, body, after], source=WAVEFORM, result=PROBABILITIES)
        return described(
            model,
            name=facts["name"],
            description=facts["description"],
            version=facts["version"],
            licence=facts["licence"],
            sample_rate=chain.front_end.sample_rate,
            source=WAVEFORM,
            result=PROBABILITIES,
            labels=chain.recogniser.classes,
            files={FACTS: json.dumps(facts, ensure_ascii=False, indent=1) + "\n"},
        )

    def runner(self, file: Path) -> Runner:
        """As `Format.runner`."""
        net = LiteRt(file.read_bytes())
        return lambda window: net(window[None])[0]
