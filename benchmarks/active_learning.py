"""How many labels each strategy of `faunashot suggest` needs, and how right its forecast is.

Run in a project whose corpus was ingested, audited and embedded. `strategies` begins with ten clips
drawn by chance, and adds ten at a time; each run makes grouped folds of its own, of which one is
scored. `forecast` draws tasks, each of some of the classes, and plays people with half of a task's
source recordings, who ask at 3, 5 and 7 labels a class what ten more labels would gain; that is
compared with what they gain with all recordings of the task, as the mean of many episodes.

    python benchmarks/active_learning.py strategies --runs 30 --plot strategies.png
    python benchmarks/active_learning.py forecast --runs 40 --first 0 --classes 5 --kept FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

from faunashot.data.splits import Splits
from faunashot.detection.validation.planning import wilson
from faunashot.estimators.base import columns
from faunashot.estimators.steps import Steps
from faunashot.evaluation.metrics import HEADLINE, metrics_for
from faunashot.evaluation.metrics.base import Metric
from faunashot.evaluation.scored import ScoredClips
from faunashot.features import store
from faunashot.protocols.few_shot import FewShot
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task
from faunashot.search.candidates import SHAPE
from faunashot.search.stopping import forecast
from faunashot.search.strategies import STRATEGIES
from faunashot.search.strategies.base import Pool
from faunashot.systems.catalogue import System, system

STEP = 10
FORECAST_K = (1, 2, 3, 5, 7)
ASKED_AT = (3, 5, 7)


class Simulation:
    """A corpus whose labels are given out ten at a time.

    Parameters
    ----------
    project : Path
    corpus, backbone : str
    of : System
        What learns.
    """

    def __init__(self, project: Path, *, corpus: str, backbone: str, of: System) -> None:
        clips = pd.read_parquet(project / "clips/audited.parquet")
        self.clips = clips[clips["role"] == "target"].reset_index(drop=True)
        self.features = store.load(project / "features/main" / corpus / backbone)
        self.system = of
        self.table = WindowTable(self.clips, self.features)
        self.groups = self.clips["group"].to_numpy(dtype=str)
        means = self.table.examples(self.clips["clip_id"].tolist()).means()
        self.embeddings = Steps(SHAPE).fit(means).transform(means)
        self.macro_f1: Metric = metrics_for(of="labels")[HEADLINE]

    def run(self, number: int, *, labels: int) -> list[dict[str, Any]]:
        """Macro-F1 by labels of each strategy, from the same first ten on the same folds."""
        split = Splits(self.clips, seed=number, folds="grouped").split(number)
        pool, test = self.table.at(split.learnable), self.table.at(split.test)
        first = np.random.default_rng([number, 0]).permutation(pool)[:STEP]
        found = []
        for name in STRATEGIES:
            chooser, rng = STRATEGIES[name](), np.random.default_rng([number, 1])
            labelled = [*first]
            while True:
                scores = self.learned(np.array(labelled), np.setdiff1d(pool, labelled))
                value = self.scored(scores(test), test)
                found.append(
                    {"run": number, "strategy": name, "labels": len(labelled), HEADLINE: value}
                )
                free = np.setdiff1d(pool, labelled)
                free = free[~np.isin(self.groups[free], self.groups[labelled])]
                if len(labelled) >= labels or len(free) < STEP:
                    break
                hears = Pool(
                    scores(free),
                    self.embeddings[free],
                    self.groups[free],
                    self.embeddings[labelled],
                )
                labelled += free[chooser.choose(hears, STEP, rng=rng)].tolist()
        return found

    def learned(self, labelled: npt.NDArray[np.intp], unlabelled: npt.NDArray[np.intp]) -> Any:
        """What scores clips, once it has learned from some; classes weigh alike."""
        train = self.table.examples_at(labelled)
        _, of, counts = np.unique(train.labels, return_inverse=True, return_counts=True)
        train = replace(
            train,
            clip_weights=(counts.max() / counts)[of],
            of_target=np.ones(len(labelled), dtype=bool),
        )
        estimator = self.system.estimator(seed=0, blocks=self.table.blocks)
        estimator.fit(train, unlabelled=self.table.examples_at(unlabelled))
        return lambda at: columns(
            estimator.predict_clips(self.table.examples_at(at)),
            estimator.classes_,
            self.table.classes,
        )

    def scored(self, scores: npt.NDArray[np.float64], at: npt.NDArray[np.intp]) -> float:
        """Macro-F1 of scored clips."""
        names = np.array(self.table.classes)
        labels = self.clips["label"].to_numpy(dtype=str)[at]
        clips = ScoredClips.of_labels(labels, names[scores.argmax(axis=1)], self.table.classes)
        return float(self.macro_f1.values(clips.weighted(np.ones((1, clips.n_parts))))[0])

    def held_out(
        self, clips: pd.DataFrame, *, k_values: tuple[int, ...], episodes: int, seed: int
    ) -> pd.DataFrame:
        """Scores of a few_shot run on some of the clips."""
        table = WindowTable(clips, self.features)
        task = Task(table, table.none(), self.system, seed=seed, folds="grouped")
        settings = FewShot.Options(k_values=k_values, episodes=episodes)
        return FewShot(settings, k=1).run(task).held_out

    def task(self, number: int, *, classes: int) -> pd.DataFrame:
        """The clips of some classes, drawn by chance."""
        names = np.random.default_rng([11, number]).permutation(self.table.classes)[:classes]
        return self.clips[self.clips["label"].isin(names)]

    def half(self, clips: pd.DataFrame, *, seed: list[int]) -> pd.DataFrame:
        """The clips of half of the source recordings of each class."""
        rng, kept = np.random.default_rng([7, *seed]), set()
        for _, of_class in clips.groupby("label"):
            groups = of_class["group"].unique()
            kept |= set(rng.permutation(groups)[: -(-len(groups) // 2)])
        return clips[clips["group"].isin(kept)]


def strategies(simulation: Simulation, given: argparse.Namespace) -> dict[str, Any]:
    """Curves of the strategies, and the labels that they need, against chance."""
    numbers = range(given.first, given.first + given.runs)
    runs = Parallel(n_jobs=given.jobs)(
        delayed(simulation.run)(number, labels=given.labels) for number in numbers
    )
    table = pd.DataFrame([row for rows in runs for row in rows])
    if given.table:
        table.to_csv(given.table, index=False)
    curves = table.pivot(index="run", columns=["strategy", "labels"], values=HEADLINE)
    curves = curves.dropna(axis=1)
    draws = np.random.default_rng(0).multinomial(len(runs), [1 / len(runs)] * len(runs), 2000)
    weights = np.vstack([np.ones(len(runs)), draws]) / len(runs)
    means = {name: weights @ curves[name].to_numpy() for name in STRATEGIES}
    labels = curves["random"].columns.to_numpy(dtype=float)
    result: dict[str, Any] = {"runs": len(runs), "strategies": {}}
    for name in STRATEGIES:
        ahead = (means[name] - means["random"]).mean(axis=1)
        needs = []
        for target in given.targets:
            needed, chance = (reached(labels, means[of], target) for of in (name, "random"))
            needs.append(
                {"macro_f1": target, "labels": ends(needed), "fewer": ends(chance - needed)}
            )
        result["strategies"][name] = {
            "labels": labels.astype(int).tolist(),
            "macro_f1": rounded(means[name][0]),
            "ahead_of_random": ends(ahead, digits=4),
            "to_reach": needs,
        }
    if given.plot:
        draw(labels, means, curves.shape[0]).savefig(given.plot)
    return result


def reached(
    labels: npt.NDArray[np.float64], curves: npt.NDArray[np.float64], target: float
) -> npt.NDArray[np.float64]:
    """Labels at which each curve first reaches a score, between points linearly; NaN if never."""
    there = curves >= target
    at = there.argmax(axis=1)
    row = np.arange(len(curves))
    before = np.maximum(at - 1, 0)
    rise = curves[row, at] - curves[row, before]
    part = np.where(at > 0, (target - curves[row, before]) / np.where(rise > 0, rise, 1), 0)
    found = labels[before] + part * (labels[at] - labels[before])
    return np.where(there.any(axis=1), found, np.nan)


def ends(draws: npt.NDArray[np.float64], *, digits: int = 1) -> list[float | None]:
    """The figure and its 95 % interval; where a draw in 40 has none, neither has that end."""
    if np.isnan(draws[0]):
        return [None, None, None]
    high = np.quantile(np.nan_to_num(draws[1:], nan=np.inf), [0.025, 0.975])
    values = [float(draws[0]), *map(float, high)]
    return [round(value, digits) if np.isfinite(value) else None for value in values]


def rounded(values: npt.NDArray[np.float64]) -> list[float]:
    """Values with four decimals."""
    return [round(float(value), 4) for value in values]


def draw(labels: npt.NDArray[np.float64], means: dict[str, Any], runs: int) -> Any:
    """Mean macro-F1 against labels, with the interval over runs."""
    from faunashot.evaluation.plot_style import (
        COLOURS,
        LEGEND,
        MARKERS,
        MUTED,
        head_line,
        one_panel,
    )

    figure, axes = one_panel(7.2, 4.6)
    order = ["both", "uncertainty", "diversity", "random"]
    for name, colour, marker in zip(order, [*COLOURS[:3], MUTED], MARKERS, strict=False):
        low, high = np.quantile(means[name][1:], [0.025, 0.975], axis=0)
        axes.fill_between(labels, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(labels, means[name][0], color=colour, marker=marker, markersize=4, label=name)
    axes.set_xlabel("labelled recordings, ten more at a time")
    axes.set_ylabel("macro-F1 on held-out recordings")
    head_line(axes, "What to label next", f"mean of {runs} runs, with its 95 % interval over them")
    axes.legend(loc="lower right", **LEGEND)
    return figure


def forecasts(simulation: Simulation, given: argparse.Namespace) -> dict[str, Any]:
    """How often the interval of the gain holds the gain that there is, by labels."""
    if given.kept:
        given.kept.mkdir(parents=True, exist_ok=True)
    numbers = range(given.first, given.first + given.runs)
    found = Parallel(n_jobs=given.jobs)(
        delayed(asked)(simulation, number, given) for number in numbers
    )
    rows = pd.DataFrame([row for of_task in found for row in of_task])
    if given.table:
        rows.to_csv(given.table, index=False)
    ranges = [{"labels": int(n), **coverage(part)} for n, part in rows.groupby("labels")]
    return {"tasks": given.runs, "classes": given.classes, "ranges": ranges, "all": coverage(rows)}


def asked(simulation: Simulation, number: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """What each person of a task is told at each number of labels, and the truth."""
    clips = simulation.task(number, classes=given.classes)
    classes = sorted(clips["label"].unique())
    more = STEP // len(classes)
    ks = sorted({k + step for k in ASKED_AT for step in (0, more)})

    def curve() -> pd.DataFrame:
        held_out = simulation.held_out(
            clips, k_values=tuple(ks), episodes=given.episodes, seed=number
        )
        return curves_of(held_out, classes, simulation=simulation)

    truth, rows = kept(given.kept, f"truth-{number}", curve), []
    for person in range(given.people):

        def run(seed: int = 1000 * person + number) -> pd.DataFrame:
            half = simulation.half(clips, seed=[number, seed])
            return simulation.held_out(half, k_values=FORECAST_K, episodes=20, seed=seed)

        held_out = kept(given.kept, f"person-{number}-{person}", run)
        for k in ASKED_AT:
            gains = truth[str(k + more)] - truth[str(k)]
            found = forecast(
                held_out[held_out["k"] <= k], classes, further=STEP, n_bootstrap=500, seed=number
            )
            rows.append(
                {
                    "task": number,
                    "person": person,
                    "labels": k * len(classes),
                    "truth": gains.mean(),
                    "truth_error": gains.std(ddof=1) / np.sqrt(len(gains)),
                    **found.gain._asdict(),
                }
            )
    return rows


def kept(folder: Path | None, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table, read where it was made before."""
    if folder is None:
        return make()
    path = folder / f"{name}.parquet"
    if not path.exists():
        make().to_parquet(path)
    return pd.read_parquet(path)


def coverage(rows: pd.DataFrame) -> dict[str, Any]:
    """How often intervals hold the truth, with Wilson's interval of that share."""
    low, high = rows["low"] <= rows["truth"], rows["truth"] <= rows["high"]
    holds = float((low & high).mean())
    return {
        "people": len(rows),
        "true_gain": rounded([rows["truth"].mean(), rows["truth"].std()]),
        "true_gain_error": round(float(rows["truth_error"].mean()), 4),
        "forecast": round(float(rows["value"].mean()), 4),
        "holds": rounded([holds, *wilson(holds, len(rows), 1.96)]),
        "too_low": round(float((~high).mean()), 3),
        "too_high": round(float((~low).mean()), 3),
        "width": round(float((rows["high"] - rows["low"]).mean()), 4),
        "stop": round(float((rows["high"] < 0.01).mean()), 3),
    }


def curves_of(
    held_out: pd.DataFrame, classes: list[str], *, simulation: Simulation
) -> pd.DataFrame:
    """Macro-F1 of each episode, a row, at each k, a column."""
    names = np.array(classes)
    found: dict[str, dict[int, float]] = {}
    for (k, episode), rows in held_out.groupby(["k", "episode"]):
        scores = rows[[f"p_{name}" for name in classes]].to_numpy()
        clips = ScoredClips.of_labels(rows["label"], names[scores.argmax(axis=1)], classes)
        value = simulation.macro_f1.values(clips.weighted(np.ones((1, clips.n_parts))))
        found.setdefault(str(k), {})[int(episode)] = float(value[0])
    return pd.DataFrame(found)


def main() -> None:
    """Simulate, and print JSON."""
    given = arguments()
    simulation = Simulation(
        given.project, corpus=given.corpus, backbone=given.backbone, of=system(given.system)
    )
    run = strategies if given.part == "strategies" else forecasts
    print(json.dumps(run(simulation, given), indent=1))


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["strategies", "forecast"])
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--corpus", default="animals_sounds")
    parser.add_argument("--backbone", default="yamnet")
    parser.add_argument("--system", default="rectified")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--first", type=int, default=100, help="seed of the first run")
    parser.add_argument("--labels", type=int, default=140, help="of a run, at its end")
    parser.add_argument("--targets", type=float, nargs="+", default=[0.75, 0.8, 0.82])
    parser.add_argument("--episodes", type=int, default=250, help="that the true gain is of")
    parser.add_argument("--classes", type=int, default=5, help="of a task of `forecast`: 5 or 10")
    parser.add_argument("--people", type=int, default=2, help="of a task of `forecast`")
    parser.add_argument("--kept", type=Path, help="folder of what was simulated, taken up again")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--table", type=Path, help="for a row a run")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
