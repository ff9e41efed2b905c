"""Few-shot heads side by side, on the same episodes: the project's, and those not kept.

    python benchmarks/heads.py --data DIR --corpus animals_sounds --backbones yamnet+birdnet \
        --folds grouped --features features/benchmark

prints JSON, a row a head and k: macro-F1 over the episodes with its interval, and how it differs
from `pooled` and from `standardised` on the first backbone, with p-values corrected after Holm
over the heads. Choose heads on a corpus that is not the one whose figures are published. With
``--heads pooled standardised --plot curves.png`` it draws those on all the backbones.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from candidates import CANDIDATES, Candidate, Shot
from threadpoolctl import threadpool_limits

from faunashot.audio.decode import quiet_native
from faunashot.audio.perturbation import Perturbation
from faunashot.backbones import registry
from faunashot.data.audit import SOURCE, TARGET, audit
from faunashot.data.corpora import create
from faunashot.data.ingest import ingest
from faunashot.errors import FaunashotError, StoreError
from faunashot.estimators.steps import Steps
from faunashot.evaluation.figures import episode_scores
from faunashot.evaluation.plots.curve import curve_figure
from faunashot.evaluation.significance import holm, sign_flip_p
from faunashot.evaluation.uncertainty import Interval, mean_interval, paired_difference
from faunashot.features import store
from faunashot.features.extract import embed_clips
from faunashot.features.join import BY, join
from faunashot.features.store import Features
from faunashot.protocols.few_shot import Episode, FewShot
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task, clip_scores
from faunashot.systems.catalogue import system

SYSTEMS = (
    *("pooled", "rectified", "standardised", "logistic", "prototype", "whitened"),
    *("knn", "linear_svm", "rbf_svm", "mlp"),
)
UNLABELLED = {"pooled", "rectified"}
"""Systems that learn from unlabelled rows, beside fitting their steps on them."""

VIEWS = 5
"""Random halves of the windows of each labelled clip."""

FloatArray = npt.NDArray[np.float64]
Scorer = Callable[[int], Iterator[FloatArray]]
"""From k to the scores of each episode's test clips."""


class Corpora(NamedTuple):
    """Clips of target and source after the audit, and where their files lie."""

    clips: pd.DataFrame
    roots: Mapping[str, Path]

    def files(self, role: str) -> list[tuple[str, Path]]:
        """Clip ids and files of a role."""
        of = self.clips[self.clips["role"] == role]
        return [(str(c.clip_id), self.roots[role] / str(c.path)) for c in of.itertuples()]


def read(asked: argparse.Namespace) -> Corpora:
    """Ingest and audit the corpus, and the classes of ESC-50 to transfer from."""
    wanted = {TARGET: create(asked.corpus, classes=asked.classes)}
    roots = {TARGET: asked.data}
    if asked.source is not None:
        wanted[SOURCE] = create("esc50", classes="environment")
        roots[SOURCE] = asked.source
    tables = {SOURCE: ingest(create("none"), Path()).clips}
    for role, corpus in wanted.items():
        root = roots[role]
        tables[role] = ingest(corpus, root).clips
    audited = audit(tables[TARGET], tables[SOURCE], files=lambda role, path: roots[role] / path)
    return Corpora(audited.clips, roots)


def embedded(
    corpora: Corpora,
    role: str,
    backbone: str,
    *,
    folder: Path,
    perturbation: Perturbation | None = None,
) -> Features:
    """Features from the store, or embedded and stored where it lacks a clip."""
    files = corpora.files(role)
    if not files:
        kind = registry.backbone_class(backbone)
        return store.empty(kind, hop_s=kind.window_s)
    try:
        kept = store.load(folder)
        if {clip_id for clip_id, _ in files} <= set(kept.index["clip_id"]):
            return kept
    except StoreError:
        pass
    print(f"{role}: {len(files)} clips to be embedded by {backbone}", file=sys.stderr)
    features = embed_clips(files, registry.load(backbone), perturbation=perturbation)
    store.save(features, folder)
    return features


def task_of(corpora: Corpora, backbones: Sequence[str], asked: argparse.Namespace) -> Task:
    """The task on backbones' features side by side."""
    tables = {}
    for role in (TARGET, SOURCE):
        clips = corpora.clips[corpora.clips["role"] == role]
        parts = [
            embedded(corpora, role, name, folder=asked.features / role / name) for name in backbones
        ]
        wanted = set(clips["clip_id"])
        tables[role] = WindowTable(clips, join([_only(part, wanted) for part in parts]))
    official = asked.folds == "official"
    return Task(tables[TARGET], tables[SOURCE], system("rectified"), asked.seed, official=official)


def _only(features: Features, clip_ids: set[str]) -> Features:
    keep = features.index["clip_id"].isin(clip_ids).to_numpy()
    index = features.index[keep].reset_index(drop=True)
    return Features(np.asarray(features.windows[keep]), index, features.spec)


class Arena:
    """One task, its episodes, and what each head scores on them."""

    def __init__(self, task: Task, protocol: FewShot) -> None:
        alone = task.without_source()
        splits = alone.splits()
        alone.refuse_unlearnable(splits)
        self.task = alone
        self.source = task.source
        self.episodes: list[Episode] = [
            protocol.draw(alone, splits.split(n), n) for n in range(protocol.settings.episodes)
        ]
        self._shaped: dict[tuple[str, float], tuple[Steps, FloatArray, FloatArray]] = {}

    @cached_property
    def at(self) -> dict[str, int]:
        """Row of each clip among `means`."""
        return {str(i): n for n, i in enumerate(self.task.target.clips["clip_id"])}

    def of_system(self, name: str) -> Scorer:
        """Scores of one of the project's heads."""
        task = replace(self.task, system=system(name))

        def scores(k: int) -> Iterator[FloatArray]:
            heads = task.fit([episode.learn(k) for episode in self.episodes])
            for head, episode in zip(heads, self.episodes, strict=True):
                yield clip_scores(head, task.target.examples(episode.split.test))

        return scores

    def of_candidate(self, candidate: Candidate) -> Scorer:
        """Scores of a head that was not kept."""

        def scores(k: int) -> Iterator[FloatArray]:
            for episode in self.episodes:
                yield candidate.scores(self.shot(episode, k, candidate))

        return scores

    def macro_f1(self, scorer: Scorer, k: int) -> FloatArray:
        """Macro-F1 of each episode."""
        classes = np.asarray(self.task.target.classes)
        tables = [
            pd.DataFrame(
                {
                    "episode": episode.number,
                    "label": self.task.target.labels(episode.split.test),
                    "predicted": classes[scores.argmax(axis=1)],
                }
            )
            for episode, scores in zip(self.episodes, scorer(k), strict=True)
        ]
        return episode_scores(pd.concat(tables), classes.tolist())["macro_f1"].to_numpy()

    def shot(self, episode: Episode, k: int, candidate: Candidate) -> Shot:
        """The rows of an episode for a candidate, in the space of power, centre and unit."""
        table, learn = self.task.target, episode.learn(k)
        steps, rows, source = self._space(episode, candidate.exponent)
        viewed = learn.labelled if candidate.needs == "views" else ()

        def of(clip_ids: Sequence[str]) -> FloatArray:
            return rows[[self.at[i] for i in clip_ids]]

        labels = self.source.labels(self.source.clips["clip_id"].tolist())
        return Shot(
            support=of(learn.labelled),
            y=np.searchsorted(table.classes, table.labels(learn.labelled)),
            unlabelled=of(learn.unlabelled),
            query=of(episode.split.test),
            views=self._views(viewed, episode.number, steps, candidate.exponent),
            source=source,
            source_y=np.unique(labels, return_inverse=True)[1],
            blocks=table.blocks,
        )

    def _space(self, episode: Episode, exponent: float) -> tuple[Steps, FloatArray, FloatArray]:
        """Steps fitted on a training side, and all clips through them."""
        key = (episode.split.name, exponent)
        if key not in self._shaped:
            table = self.task.target
            pool = _power(table.means(episode.pool), exponent)
            steps = Steps(("centre", "unit"), table.blocks).fit(pool)
            every = (t.means(t.clips["clip_id"].tolist()) for t in (table, self.source))
            rows, source = (
                steps.transform(_power(means, exponent)) if len(means) else np.zeros((0, 0))
                for means in every
            )
            self._shaped[key] = (steps, rows, source)
        return self._shaped[key]

    def _views(
        self, clip_ids: Sequence[str], number: int, steps: Steps, exponent: float
    ) -> FloatArray:
        """Means of random halves of the windows of clips, (VIEWS, N, D)."""
        if not clip_ids:
            return np.zeros((0, 0, 0))
        rng = np.random.default_rng([self.task.seed, number])
        views = []
        for clip_id in clip_ids:
            windows = self.task.target.examples([clip_id]).windows().astype(np.float64)
            half = max(1, len(windows) // 2)
            picks = (rng.permutation(len(windows))[:half] for _ in range(VIEWS))
            views.append([windows[pick].mean(axis=0) for pick in picks])
        rows = np.asarray(views).swapaxes(0, 1)
        shaped = steps.transform(_power(rows.reshape(-1, rows.shape[2]), exponent))
        return np.asarray(shaped.reshape(rows.shape))


def _power(rows: npt.NDArray[Any], exponent: float) -> FloatArray:
    return np.asarray(np.copysign(np.abs(rows.astype(np.float64)) ** exponent, rows))


def compare(
    arena: Arena, plain: Arena, k_values: Sequence[int], *, backbones: str, heads: Sequence[str]
) -> list[dict[str, Any]]:
    """A row a head and k; `plain` is the arena of the first backbone alone."""
    has = {
        "": True,
        "views": True,
        "source": bool(len(arena.source.clips)),
        "blocks": len(arena.task.target.blocks) > 1,
    }
    systems = [name for name in SYSTEMS if name in heads]
    scorers: dict[str, Scorer] = {name: arena.of_system(name) for name in systems}
    sees = {name: "unlabelled" if name in UNLABELLED else "labelled" for name in systems}
    for name, candidate in CANDIDATES.items():
        if name in heads and has[candidate.needs]:
            scorers[name], sees[name] = arena.of_candidate(candidate), candidate.sees
    rows = []
    for k in k_values:
        found = {}
        for name, scorer in scorers.items():
            found[name] = arena.macro_f1(scorer, k)
            print(f"{backbones} k={k} {name}: {found[name].mean():.3f}", file=sys.stderr)
        kept = (
            found["pooled"] if "pooled" in found else arena.macro_f1(arena.of_system("pooled"), k)
        )
        references = {
            "pooled": kept,
            "standardised": plain.macro_f1(plain.of_system("standardised"), k),
        }
        of_k = [
            {
                "head": name,
                "backbones": backbones,
                "candidate": name in CANDIDATES,
                "sees": sees[name],
                "transductive": "query" in sees[name],
                "k": k,
                **_interval("macro_f1", mean_interval(values)),
            }
            for name, values in found.items()
        ]
        for reference, base in references.items():
            p_values = [sign_flip_p(values - base, seed=0) for values in found.values()]
            key = f"over_{reference}"
            for row, values, p, p_holm in zip(
                of_k, found.values(), p_values, holm(p_values), strict=True
            ):
                row |= _interval(key, paired_difference(values, base))
                row |= {f"{key}_p": round(p, 4), f"{key}_p_holm": round(p_holm, 4)}
        rows += of_k
    return rows


def _interval(name: str, found: Interval) -> dict[str, float | None]:
    ends = zip(("", "_low", "_high"), found, strict=True)
    return {name + end: None if value is None else round(value, 4) for end, value in ends}


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """The curves of all heads on all backbones in one picture."""
    table = pd.DataFrame(rows).rename(columns={"backbones": "panel", "head": "system"})
    curve_figure(table).savefig(file)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--corpus", required=True, help="esc50, animals_sounds, demo, folder, ...")
    parser.add_argument("--classes", default="all", help="a set that the corpus names, or all")
    parser.add_argument("--source", type=Path, help="folder of an ESC-50, for its environment")
    parser.add_argument("--features", type=Path, required=True, help="folder that keeps features")
    parser.add_argument("--backbones", nargs="+", default=["yamnet+birdnet"])
    every = [*SYSTEMS, *CANDIDATES]
    parser.add_argument("--heads", nargs="+", choices=every, default=every, metavar="HEAD")
    parser.add_argument("--plot", type=Path, help="file of a picture of the curves")
    parser.add_argument("--folds", choices=["official", "grouped"], default="grouped")
    parser.add_argument("--k", type=int, nargs="+", default=[1, 5, 10, 20])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Compare the heads on each of the asked backbones."""
    asked = arguments(given)
    k_values = sorted(set(asked.k))
    settings = FewShot.Options(k_values=k_values, episodes=asked.episodes, source_clips=1)
    protocol = FewShot(settings, k=k_values[0])
    rows = []
    with quiet_native(), threadpool_limits(1):
        corpora = read(asked)
        for backbones in asked.backbones:
            names = backbones.split(BY)
            arena = Arena(task_of(corpora, names, asked), protocol)
            plain = Arena(task_of(corpora, names[:1], asked), protocol)
            rows += compare(arena, plain, k_values, backbones=backbones, heads=asked.heads)
    if asked.plot is not None:
        draw(rows, asked.plot)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    try:
        main()
    except FaunashotError as error:
        sys.exit(f"error: {error}")
