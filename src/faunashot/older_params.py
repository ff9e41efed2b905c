"""What has become of the keys of ``params.yaml`` of older versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOVED: dict[str, str] = {
    "protocol.curve": "is protocols.few_shot.k_values now",
    "protocol.episodes": "is protocols.few_shot.episodes now",
    "protocol.source_clips": "is protocols.few_shot.source_clips now",
    "protocol.zero_shot": "is protocols.zero_shot.mode now",
    "protocol.class_map": "is protocols.zero_shot.class_map now",
    "protocol.shuffles": "is protocols.zero_shot.shuffles now",
    "protocol.false_alarm_rate": "is unknown.false_alarm_rate now",
    "audio.equalise": "is conditions.equalised.score now",
    "audio.equaliser": "stands in conditions.equalised now",
    "noise.test_snr_db": "is conditions.noise.snr_db now",
    "evaluation.level": "is evaluation.confidence_level now",
    "evaluation.draws": "is evaluation.n_bootstrap now",
    "backbones.logmel": "is frontends.logmel_stats now",
    "backbones.logmel_frames": "is frontends.logmel_frames now",
    "backbones.yamnet_patches": "is gone: backbone=yamnet, whose front end end_to_end reads",
    "corpora.*.root": "is gone: set root (of the corpus), or source_root (of the source)",
}
"""What has become of each key of older versions."""


def moved_keys(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys of older versions that a file has, each with its pattern in `MOVED`."""
    for pattern in MOVED:
        found: list[tuple[str, Any]] = [("", data)]
        for part in pattern.split("."):
            found = [
                (f"{key}.{name}".lstrip("."), value)
                for key, block in found
                if isinstance(block, Mapping)
                for name, value in block.items()
                if part in ("*", name)
            ]
        yield from ((key, pattern) for key, _ in found)
