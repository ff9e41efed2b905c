"""Stage check: what the parameters and the tables of the corpora tell, before any work is done.

It depends on the whole of ``params.yaml``, so that DVC runs it whenever a key was changed or added,
whether another stage reads that key or not; what it leaves depends on the corpora alone, so that
no stage runs again for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from faunashot.audio.recordings import recordings_in
from faunashot.backbones.base import BACKBONES, default_layer
from faunashot.data.corpora import create
from faunashot.data.corpora.base import TEST, TRAIN, Clip, Corpus
from faunashot.data.labels import MULTI_LABEL, clips_a_class
from faunashot.data.splits import honest_folds
from faunashot.errors import CorpusError, ParameterError
from faunashot.features.names import DEFAULT_LAYER
from faunashot.params import ABSENT, NO_CORPUS, Params
from faunashot.pipeline.paths import CHECKED
from faunashot.protocols.base import protocol_of
from faunashot.protocols.support.design import Design

COLUMNS = list(Clip.__dataclass_fields__)


def run(params: Params) -> str:
    """Run the stage; the parameters themselves were checked as they were read."""
    tables = checked(params)
    found = {
        name: {"clips_a_class": clips_a_class(clips), "recordings": clips["group"].nunique()}
        for name, clips in tables.items()
    }
    CHECKED.parent.mkdir(parents=True, exist_ok=True)
    CHECKED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    scored = tables[params.corpus]
    return f"{params.corpus}: {len(scored)} clips of {len(clips_a_class(scored))} classes listed"


def checked(params: Params) -> dict[str, pd.DataFrame]:
    """Clips of the corpus and of the source, by their names, of a run that can be made.

    Raises
    ------
    FaunashotError
        It cannot: a corpus, weights, a package or noise is not here, or the corpus has not the
        clips that the protocol asks for.
    """
    if params.needs_noise and not any(noise_files(params)):
        raise no_noise(params)
    zero_shot = params.protocols.get("zero_shot", {})
    given = {
        "noise.root": params.noise.root,
        "protocols.zero_shot.class_map": Path(zero_shot.get("class_map") or ABSENT),
    }
    for key, path in given.items():  # DVC reads them whichever protocol it is
        if not path.exists():
            raise ParameterError(f"{key}: {path} is not there; {ABSENT} for none")
    _check_source(params)
    tables = {name: listed(params, name) for name in (params.corpus, params.source)}
    if params.protocol.folds == "published":
        _check_published(corpus_of(params, params.corpus), tables[params.corpus])
    design = Design(
        clips=tables[params.corpus],
        source=tables[params.source],
        system=params.varied_system,
        seed=params.seed,
        folds=honest_folds(params.protocol.folds, tables[params.corpus], seed=params.seed),
        transfer=params.protocol.transfer,
    )
    for kind in design.system.estimator_classes:
        kind.require()
    for name in params.backbone_names:
        if name in BACKBONES:  # raises where weights do not come by themselves
            BACKBONES[name].weights_here()
    if params.zero_shot_mode in ("ontology", "text"):
        _check_class_layer(params)
    protocol_of(params).refuse(design)
    return tables


def _check_source(params: Params) -> None:
    """Raise where a source is named and not where it lies, or a folder and not which corpus."""
    if params.source == NO_CORPUS and params.source_root != ABSENT:
        raise ParameterError(
            f"source: none, but source_root is {params.source_root}: set source to the corpus that "
            f"lies there, or source_root to {ABSENT}"
        )
    if params.source != NO_CORPUS and params.source_root == ABSENT:
        raise ParameterError(f"source_root: set it to the folder where {params.source} lies")


def _check_published(corpus: Corpus, clips: pd.DataFrame) -> None:
    """Raise where a study's part to learn from or to score has no clips, with its folds."""
    for part, what in ((TRAIN, "learned from"), (TEST, "scored")):
        folds = [fold for fold, of in corpus.published_parts.items() if of == part]
        if set(folds) - {TRAIN, TEST} and not clips["fold"].isin(folds).any():
            raise CorpusError(
                f"{corpus.name}: no clip is in fold {' or '.join(folds)}, which protocol.folds="
                f"published has {what}: add it, or set protocol.folds=official"
            )


def _check_class_layer(params: Params) -> None:
    """Raise where the layer is none that classes, or their names, are read from."""
    kind = BACKBONES[params.backbone]
    own = kind.class_layer if params.zero_shot_mode == "ontology" else ""
    wanted = own or default_layer(kind)
    if params.layer != wanted and (own or params.layer != DEFAULT_LAYER):
        raise ParameterError(
            f"layer: the classes of {params.backbone} are its layer {wanted}: set layer={wanted}"
        )


def listed(params: Params, name: str) -> pd.DataFrame:
    """Clips of a corpus as its folder or table lists them: none is opened.

    Raises
    ------
    CorpusError
        The corpus is not here, or has no clips of the classes that are wanted.
    """
    corpus, root = corpus_of(params, name), params.root_of(name)
    if name == params.corpus and (root == ABSENT or not root.exists()):
        raise CorpusError(
            f"corpus {name} is not here (root: {root}): run `faunashot fetch {name}`, and set root "
            "to the folder where it lies"
        )
    rows = [asdict(clip) for clip in corpus.clips(root)]
    if root != ABSENT and not rows:
        raise CorpusError(f"{name}: no clips of classes {corpus.options.classes} under {root}")
    clips = pd.DataFrame(rows, columns=COLUMNS, dtype="str")
    return clips.assign(**{MULTI_LABEL: corpus.multi_label})


def noise_files(params: Params) -> Iterator[Path]:
    """Recordings of noise in ``noise.root``, or those that the corpus brings."""
    if params.noise.root == ABSENT:
        return corpus_of(params, params.corpus).noise(params.root)
    return iter(recordings_in(params.noise.root))


def no_noise(params: Params) -> ParameterError:
    """The error where recordings of noise are needed, and there are none."""
    own = params.noise.root == ABSENT
    lack = f"{params.corpus} has no Noise/Wind of its own"
    lack = lack if own else f"{params.noise.root} holds no recordings"
    return ParameterError(f"noise.root: {lack}; name a folder of recordings of noise")


def corpus_of(params: Params, name: str) -> Corpus:
    """A corpus of the parameters; one that is not here is read as one without clips."""
    if params.root_of(name) == ABSENT:
        return create(NO_CORPUS)
    return create(name, **params.corpora.get(name, {}))
