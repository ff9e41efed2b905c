"""From one machine to a million hours: what measured rates come to, and a cluster's queues.

    python benchmarks/scaling.py --windows-per-core-s yamnet=450 birdnet=45 [--markdown] [--plot P]

prints JSON, or with --markdown the tables of docs/SCALING.md. The arithmetic takes what a plan
holds from a plan that is made here. The simulation has what arithmetic has not: shards that take
unlike times, nodes that are taken away, and requests that queue at the object store and at Ray.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

from faunashot.backbones.base import BACKBONES
from faunashot.backbones.birdnet.front_end import BirdNetSpectrograms
from faunashot.errors import FaunashotError, ParameterError, WeightsError
from faunashot.evaluation.plot_style import COLOURS, GRID, INK, MARKERS, MUTED, new_figure, plain
from faunashot.features import shards
from faunashot.features.extractors import Extractor, extractor
from faunashot.features.plan import Plan, Recording, plan
from faunashot.features.shards import AT_ONCE
from faunashot.frontends.base import FRONT_ENDS, FrontEnd
from faunashot.frontends.mel_patches import MelPatches
from faunashot.storage import Storage

HOURS = [10, 1_000, 100_000, 1_000_000]
CORES = [2, 8, 32, 128, 512, 1_024, 2_048, 4_096, 10_000]

PLANNED = 200
"""Recordings of an hour in the plan whose size is taken."""

RATE_HZ = 48_000

SIMULATED, A_CORE = 30_000, 40
"""Shards that are simulated at most: so many, or so many a core where that is more.

A core that has done a few dozen shards has met every queue at its lasting length. Of a run that
is longer, the rest is added at the pace between the first and the last quarter.
"""

CHECKS = 2 / AT_ONCE
"""Requests with which a driver asks after a shard, before a run and after it; some at once."""

NEAR = 0.9
"""Of the best utilisation: where less is left, speed-up has bent."""

STYLES = ("-", "--", ":", "-.")
TITLE = {"fontsize": 10.5, "fontweight": "bold", "color": INK}

Row = dict[str, Any]


def no_weights(*_: Any) -> Any:
    """Stands for what is loaded from weights."""
    raise WeightsError("nothing is embedded here")


FRONT_END_OF: dict[str, Callable[..., FrontEnd]] = {
    "birdnet": partial(BirdNetSpectrograms, transform=no_weights),
    "yamnet": MelPatches,
}
"""Front ends of backbones, which say where windows lie."""


@dataclass(frozen=True)
class Work:
    """What an hour of audio is to a backbone.

    Attributes
    ----------
    windows_per_s : of one core.
    windows, pieces : of an hour.
    shard_windows : of a shard.
    plan_bytes : of the driver's memory, an hour of audio.
    shard_bytes : of a shard's array and index.
    """

    backbone: str
    hop_s: float
    windows_per_s: float
    windows: float
    pieces: float
    shard_windows: float
    plan_bytes: float
    shard_bytes: float

    @property
    def shard_h(self) -> float:
        """Hours of audio in a shard."""
        return self.shard_windows / self.windows


@dataclass(frozen=True)
class Load:
    """A run: so many shards, what each takes of a core, and asks of the object store."""

    shards: int
    service_s: float
    read_mb: float
    write_mb: float
    reads: float
    writes: float


@dataclass(frozen=True)
class Cluster:
    """What a run is done on; rates are those of all of it together, `math.inf` for no limit.

    Attributes
    ----------
    cv : standard deviation of a shard's time over its mean.
    startup_s : until an actor holds its weights.
    failures_per_node_h : nodes that are taken away.
    noticed_s, replaced_s : until a lost shard is given out again; until there is another node.
    store_mb_s, store_requests_s : of the object store.
    stream_mb_s, latency_s : of one reader, where nobody else reads; of one request.
    dispatch_per_s : shards that Ray hands out.
    """

    cores: int
    cores_per_node: int = 16
    cv: float = 0.0
    startup_s: float = 0.0
    failures_per_node_h: float = 0.0
    noticed_s: float = 30.0
    replaced_s: float = 180.0
    store_mb_s: float = math.inf
    store_requests_s: float = math.inf
    stream_mb_s: float = math.inf
    latency_s: float = 0.0
    dispatch_per_s: float = math.inf


def work(name: str, windows_per_s: float, *, hop_s: float | None = None) -> Work:
    """Plan recordings of an hour, and write a shard of them, without weights and without sound."""
    loaded = without_weights(name, hop_s=hop_s)
    with tempfile.TemporaryDirectory() as folder:
        hour = str(Path(folder) / "20240501_000000.flac")
        soundfile.write(hour, np.zeros(3600 * RATE_HZ, np.int16), RATE_HZ)
        tracemalloc.start()
        names = (f"recorder-04/{n:08}.flac" for n in range(PLANNED))
        made = plan([Recording(name, Path(hour), f"{name:>64}") for name in names], loaded)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        place = Storage(Path(folder) / "store")
        _write_first(made, loaded, place)
        shard_bytes = sum(place.sizes().values())
    windows = round(sum(sum(shard.seconds) for shard in made.shards) / loaded.hop_s)
    return Work(
        backbone=name,
        hop_s=loaded.hop_s,
        windows_per_s=windows_per_s,
        windows=windows / PLANNED,
        pieces=sum(len(shard.chunks) for shard in made.shards) / PLANNED,
        shard_windows=windows / len(made.shards),
        plan_bytes=held / PLANNED,
        shard_bytes=shard_bytes,
    )


def without_weights(name: str, *, hop_s: float | None = None) -> Extractor:
    """What a plan and a shard need of an extractor; it embeds nothing.

    Raises
    ------
    ParameterError
        There is no such backbone or front end, or where its windows lie is not known here.
    """
    options = {} if hop_s is None else {"hop_s": hop_s}
    if name in FRONT_ENDS:
        return extractor(name, options=options)
    kind: Any = BACKBONES[name]
    if name not in FRONT_END_OF:
        raise ParameterError.unknown("backbone", name, FRONT_END_OF)
    card, (layer, dim) = kind.card, next(iter(kind.layers.items()))
    read = kind.Options.read(options, key=f"backbones.{name}")
    return Extractor(
        name=name,
        layer=layer,
        version=card.version,
        licence=card.licence,
        citation=card.citation,
        trained_on=card.trained_on,
        weights_hash="0" * 64,
        batch_size=kind.batch_size,
        dim=dim,
        front_end=FRONT_END_OF[name](hop_s=read.hop_s),
        network=no_weights,
    )


def _write_first(made: Plan, backbone: Extractor, place: Storage) -> None:
    shard = made.shards[0]
    counts = [round(seconds / backbone.hop_s) for seconds in shard.seconds]
    start_s = [
        (chunk.span.first + np.arange(n)) * backbone.hop_s
        for chunk, n in zip(shard.chunks, counts, strict=True)
    ]
    starts = np.concatenate(start_s)
    windows = np.zeros((len(starts), backbone.dim), np.float32)
    chunks = [(*chunk.key, n) for chunk, n in zip(shard.chunks, counts, strict=True)]
    rows = shards.ShardRows(windows, starts, starts + backbone.window_s)
    shards.write_shard(place, made.derivation, chunks, rows)


def simulate(load: Load, cluster: Cluster, *, seed: int = 0) -> dict[str, float]:
    """Run a load on a cluster, event by event.

    A core takes a shard from the queue, is handed it by Ray, reads its recordings, embeds them,
    writes two files, and takes the next. It reads before it embeds: an actor has one thread. The
    object store serves in turn, at its rate of bytes and at its rate of requests. When a node is
    taken away, the shards on it are given out again.

    Returns
    -------
    makespan_s; shards_per_s in the middle half of the run; failures; and as shares of all cores'
    time: utilisation (embedding what was kept), waiting (for the object store and for Ray), lost
    (to shards that were begun and not ended), and idle, the rest: weights that load, nodes that
    are gone, and the end, when shards are fewer than cores.
    """
    return _Simulation(load, cluster, seed).run()


class _Simulation:
    def __init__(self, load: Load, cluster: Cluster, seed: int) -> None:
        self.load, self.cluster = load, cluster
        rng = np.random.default_rng([seed, 0])
        sigma = math.sqrt(math.log1p(cluster.cv**2))
        noise = np.exp(rng.normal(-(sigma**2) / 2, sigma, load.shards))
        self.service = (load.service_s * noise).tolist()
        self.lives = np.random.default_rng([seed, 1])
        self.queue = deque(range(load.shards))
        self.events: list[tuple[float, int, Callable[..., None], tuple[int, ...]]] = []
        self.order = 0
        cores, per_node = cluster.cores, cluster.cores_per_node
        self.nodes = [range(at, min(at + per_node, cores)) for at in range(0, cores, per_node)]
        self.life = [0] * cores  # grows when the core's node is taken away
        self.in_hand: dict[int, tuple[int, float]] = {}  # core: its shard, and since when
        self.idle: list[int] = []
        self.ray_free = self.bytes_free = self.requests_free = 0.0
        self.useful = self.held = self.lost = 0.0
        self.failures = 0
        self.ended: list[float] = []

    def run(self) -> dict[str, float]:
        for core in range(self.cluster.cores):
            self._at(self.cluster.startup_s, self._free, core, 0)
        for node in range(len(self.nodes)):
            self._live(0.0, node)
        while len(self.ended) < self.load.shards:
            now, _, what, of = heappop(self.events)
            what(now, *of)
        makespan, n = self.ended[-1], len(self.ended)
        first, last = self.ended[n // 4], self.ended[3 * n // 4]
        shares = {
            "utilisation": self.useful,
            "waiting": self.held - self.useful,
            "lost": self.lost,
        }
        shares = {name: s / (makespan * self.cluster.cores) for name, s in shares.items()}
        return {
            "makespan_s": makespan,
            "shards_per_s": (3 * n // 4 - n // 4) / (last - first) if last > first else math.inf,
            "failures": self.failures,
            **shares,
            "idle": 1 - sum(shares.values()),
        }

    def _at(self, when: float, what: Callable[..., None], *of: int) -> None:
        self.order += 1
        heappush(self.events, (when, self.order, what, of))

    def _free(self, now: float, core: int, life: int) -> None:
        if self.life[core] != life:
            return
        if not self.queue:
            self.idle.append(core)
            return
        shard = self.queue.popleft()
        self.in_hand[core] = shard, now
        self.ray_free = max(self.ray_free, now) + 1 / self.cluster.dispatch_per_s
        there = self._moved(self.ray_free, self.load.read_mb, self.load.reads)
        self._at(there + self.service[shard], self._embedded, core, life)

    def _embedded(self, now: float, core: int, life: int) -> None:
        if self.life[core] == life:
            there = self._moved(now, self.load.write_mb, self.load.writes)
            self._at(there, self._done, core, life)

    def _done(self, now: float, core: int, life: int) -> None:
        if self.life[core] != life:
            return
        shard, since = self.in_hand.pop(core)
        self.useful += self.service[shard]
        self.held += now - since
        self.ended.append(now)
        self._free(now, core, life)

    def _moved(self, now: float, mb: float, requests: float) -> float:
        """When bytes have come or gone, of which each request is waited for."""
        cluster = self.cluster
        self.bytes_free = max(self.bytes_free, now) + mb / cluster.store_mb_s
        self.requests_free = max(self.requests_free, now) + requests / cluster.store_requests_s
        alone = now + mb / cluster.stream_mb_s + requests * cluster.latency_s
        return max(self.bytes_free, self.requests_free, alone)

    def _live(self, now: float, node: int) -> None:
        if self.cluster.failures_per_node_h:
            life_s = 3600 * self.lives.exponential() / self.cluster.failures_per_node_h
            self._at(now + life_s, self._fail, node)

    def _fail(self, now: float, node: int) -> None:
        self.failures += 1
        gone = self.nodes[node]
        self.idle = [core for core in self.idle if core not in gone]
        back = now + self.cluster.replaced_s
        for core in gone:
            self.life[core] += 1
            if core in self.in_hand:
                shard, since = self.in_hand.pop(core)
                self.lost += now - since
                self._at(now + self.cluster.noticed_s, self._again, shard)
            self._at(back + self.cluster.startup_s, self._free, core, self.life[core])
        self._live(back, node)

    def _again(self, now: float, shard: int) -> None:
        self.queue.appendleft(shard)
        if self.idle:
            core = self.idle.pop()
            self._free(now, core, self.life[core])


def lasting(load: Load, cluster: Cluster, seed: int) -> dict[str, float]:
    """`simulate`, of a long run the beginning, and the rest at its pace."""
    most = max(SIMULATED, A_CORE * cluster.cores)
    if load.shards <= most:
        return simulate(load, cluster, seed=seed)
    found = _beginning(replace(load, shards=most), cluster, seed)
    makespan = found["makespan_s"] + (load.shards - most) / found["shards_per_s"]
    kept = load.shards / most * found["makespan_s"] / makespan
    shares = {name: kept * found[name] for name in ("utilisation", "waiting", "lost")}
    return {**found, "makespan_s": makespan, **shares, "idle": 1 - sum(shares.values())}


@cache
def _beginning(load: Load, cluster: Cluster, seed: int) -> dict[str, float]:
    return simulate(load, cluster, seed=seed)


def load_of(work: Work, hours: float, asked: argparse.Namespace) -> Load:
    """Shards of so many hours."""
    return Load(
        shards=math.ceil(hours / work.shard_h - 1e-9),
        service_s=work.shard_windows / work.windows_per_s,
        read_mb=work.shard_h * asked.hour_mb,
        write_mb=work.shard_bytes / 1e6,
        reads=work.shard_h * work.pieces * asked.requests_per_piece,
        writes=2,
    )


def cluster_of(
    cores: int, *, store_gb_s: float, folder_cores: int, asked: argparse.Namespace
) -> Cluster:
    """A cluster whose cores work on folders, each with a driver and a rate of requests its own.

    On one folder alone where `folder_cores` is 0.
    """
    folders = math.ceil(cores / folder_cores) if folder_cores else 1
    return Cluster(
        cores=cores,
        cores_per_node=asked.cores_per_node,
        cv=asked.cv,
        startup_s=asked.startup_s,
        failures_per_node_h=asked.failures_per_node_hour,
        noticed_s=asked.noticed_s,
        replaced_s=asked.replaced_s,
        store_mb_s=1000 * store_gb_s,
        store_requests_s=asked.store_requests_s * folders,
        stream_mb_s=asked.stream_mb_s,
        latency_s=asked.latency_ms / 1000,
        dispatch_per_s=asked.dispatch_per_s * folders,
    )


def arithmetic(work: Work, hours: float, asked: argparse.Namespace) -> Row:
    """What so many hours come to, nothing queueing."""
    windows = hours * work.windows
    shards = math.ceil(hours / work.shard_h - 1e-9)
    core_hours = windows / work.windows_per_s / 3600
    gb = shards * work.shard_bytes / 1e9
    return {
        "hours": hours,
        "backbone": work.backbone,
        "windows": round(windows),
        "shards": shards,
        "core_hours": core_hours,
        "wall_hours": {str(cores): core_hours / cores for cores in asked.cores},
        "recordings_gb": hours * asked.hour_mb / 1000,
        "features_gb": gb,
        "cost": {f"{price:g} an hour": core_hours * price for price in asked.price_core_hour},
        "features_cost_month": gb * asked.price_gb_month,
        "recordings_cost_month": hours * asked.hour_mb / 1000 * asked.price_gb_month,
        "driver": {
            "plan_gb": hours * work.plan_bytes / 1e9,
            "hashing_hours": hours * asked.hour_mb / asked.driver_mb_s / 3600,
            "checking_hours": shards * CHECKS * asked.latency_ms / 3.6e6,
        },
    }


def simulated(work: Work, asked: argparse.Namespace) -> Iterator[Row]:
    """Each size on each number of cores, and the largest on each kind of object store too."""
    for folder_cores in sorted({0, asked.folder_cores}, reverse=True):
        for store_gb_s in asked.store_gb_s:
            usual = folder_cores == asked.folder_cores and store_gb_s == asked.store_gb_s[0]
            for hours in asked.hours if usual else asked.hours[-1:]:
                for cores in asked.cores:
                    cluster = cluster_of(
                        cores, store_gb_s=store_gb_s, folder_cores=folder_cores, asked=asked
                    )
                    load = load_of(work, hours, asked)
                    found = dict(lasting(load, cluster, asked.seed))
                    wall_h = found.pop("makespan_s") / 3600
                    yield {
                        "hours": hours,
                        "backbone": work.backbone,
                        "cores": cores,
                        "store_gb_s": store_gb_s,
                        "folder_cores": folder_cores,
                        "wall_hours": wall_h,
                        "asks_gb_s": cores * (load.read_mb + load.write_mb) / load.service_s / 1000,
                        **found,
                    }


def bends(rows: Sequence[Row]) -> list[Row]:
    """For each curve of the largest size, up to how many cores utilisation is near its best."""
    found = []
    names = ("backbone", "folder_cores", "store_gb_s")
    largest = [row for row in rows if row["hours"] == max(row["hours"] for row in rows)]
    for curve in sorted({tuple(row[name] for name in names) for row in largest}, reverse=True):
        on_it = [row for row in largest if tuple(row[name] for name in names) == curve]
        best = max(row["utilisation"] for row in on_it)
        near = [row["cores"] for row in on_it if row["utilisation"] >= NEAR * best]
        found.append({**dict(zip(names, curve, strict=True)), "up_to_cores": max(near)})
    return found


def markdown(found: dict[str, Any], asked: argparse.Namespace) -> str:
    """The tables of docs/SCALING.md."""
    lines: list[str] = []
    prices = [f"{price:g}" for price in asked.price_core_hour]
    _table(
        lines,
        ["hours", "backbone", "windows", "shards", "core-hours"]
        + [f"USD at {price}" for price in prices]
        + ["features", "USD a month", "recordings", "USD a month"],
        [
            [
                f"{row['hours']:,.0f}",
                row["backbone"],
                _windows(row["windows"]),
                f"{row['shards']:,}",
                _number(row["core_hours"]),
                *map(_number, row["cost"].values()),
                _bytes(row["features_gb"]),
                _number(row["features_cost_month"]),
                _bytes(row["recordings_gb"]),
                _number(row["recordings_cost_month"]),
            ]
            for row in found["arithmetic"]
        ],
    )
    _table(
        lines,
        ["hours", "backbone", "plan in memory", "hashing", "checking", "embedding"],
        [
            [
                f"{row['hours']:,.0f}",
                row["backbone"],
                _bytes(row["driver"]["plan_gb"]),
                _hours(row["driver"]["hashing_hours"]),
                _hours(row["driver"]["checking_hours"]),
                f"{_number(row['core_hours'])} core-h",
            ]
            for row in found["arithmetic"]
        ],
    )
    usual = [
        row
        for row in found["simulation"]
        if row["hours"] == asked.hours[-1]
        and row["folder_cores"] == asked.folder_cores
        and row["store_gb_s"] == asked.store_gb_s[0]
    ]
    _table(
        lines,
        ["backbone", "cores", "asks GB/s", "wall", "embedding", "waiting", "lost", "idle"],
        [
            [
                row["backbone"],
                f"{row['cores']:,}",
                _number(row["asks_gb_s"]),
                _hours(row["wall_hours"]),
                *(_share(row[name]) for name in ("utilisation", "waiting", "lost", "idle")),
            ]
            for row in usual
        ],
    )
    _table(
        lines,
        ["backbone", "cores of a folder", "object store", f"{NEAR:.0%} of its best up to"],
        [
            [
                row["backbone"],
                f"{row['folder_cores'] or 'all'}",
                f"{row['store_gb_s']:g} GB/s",
                f"{row['up_to_cores']:,} cores",
            ]
            for row in found["bends"]
        ],
    )
    return "\n".join(lines)


def _table(lines: list[str], head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    cells = [head, ["---"] * len(head), *rows]
    lines += ["| " + " | ".join(row) + " |" for row in cells] + [""]


def _windows(n: int) -> str:
    return f"{n / 1e6:,.0f} million" if n >= 1e7 else f"{n:,}"


def _number(value: float) -> str:
    if value >= 1e7:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _bytes(gb: float) -> str:
    unit, size = ("TB", gb / 1000) if gb >= 1000 else ("GB", gb) if gb >= 1 else ("MB", gb * 1000)
    return f"{size:,.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"


def _hours(hours: float) -> str:
    for unit, of_hour in (("days", 1 / 24), ("h", 1.0), ("min", 60.0)):
        if hours * of_hour >= (2 if unit == "days" else 1):
            return f"{hours * of_hour:,.{0 if hours * of_hour >= 20 else 1}f} {unit}"
    return f"{3600 * hours:.0f} s" if hours > 1 / 3600 else "< 1 s"


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "< 0.1%"


def draw(found: dict[str, Any], asked: argparse.Namespace, path: Path) -> None:
    """Wall hours against cores, and utilisation."""
    figure = new_figure(9.6, 4.2)
    left, right = figure.subplots(1, 2)
    backbones = [work["backbone"] for work in found["work"]]
    for at, hours in enumerate(asked.hours):
        for backbone, style in zip(backbones, STYLES, strict=False):
            curve = [
                row
                for row in found["simulation"]
                if (row["hours"], row["backbone"]) == (hours, backbone)
                and row["folder_cores"] == asked.folder_cores
                and row["store_gb_s"] == asked.store_gb_s[0]
            ]
            look = {"color": COLOURS[at], "marker": MARKERS[at], "markersize": 4, "ls": style}
            cores = [row["cores"] for row in curve]
            left.plot(cores, [row["wall_hours"] for row in curve], **look)
            right.plot(cores, [row["utilisation"] for row in curve], **look)
    for axes in (left, right):
        plain(axes)
        axes.set_xscale("log")
        axes.grid(color=GRID, lw=0.8)
        axes.set_xlabel("cores")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    left.set_yscale("log")
    left.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
    left.set_title("Hours until all is embedded", loc="left", **TITLE)
    right.set_title("Share of the cores' time that embeds", loc="left", **TITLE)
    right.set_ylim(0, 1)
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles = [
        Line2D([], [], color=COLOURS[at], marker=MARKERS[at], ms=4, label=f"{hours:,.0f} h")
        for at, hours in enumerate(asked.hours)
    ] + [
        Line2D([], [], color=MUTED, ls=style, label=backbone)
        for backbone, style in zip(backbones, STYLES, strict=False)
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
    figure.savefig(path)


def named(given: str) -> tuple[str, float]:
    """A number of a backbone, as yamnet=450."""
    name, _, number = given.partition("=")
    return name, float(number)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--windows-per-core-s", type=named, nargs="+", required=True, help="as yamnet=450")
    add("--hop", type=named, nargs="+", default=[], help="as yamnet=0.96; else the backbone's own")
    add("--hours", type=float, nargs="+", default=HOURS)
    add("--cores", type=int, nargs="+", default=CORES)
    add("--hour-mb", type=float, default=200, help="of a recording: 48 kHz, 16 bit, one channel")
    add("--price-core-hour", type=float, nargs="+", default=[0.04, 0.015], help="on demand, spot")
    add("--price-gb-month", type=float, default=0.023)
    add("--cv", type=float, default=0.2, help="of a shard's time: deviation over mean")
    add("--startup-s", type=float, default=15, help="until an actor holds its weights")
    add("--cores-per-node", type=int, default=16)
    add("--failures-per-node-hour", type=float, default=0.05)
    add("--noticed-s", type=float, default=30, help="until a lost shard is given out again")
    add("--replaced-s", type=float, default=180, help="until there is another node")
    add("--store-gb-s", type=float, nargs="+", default=[12.5, 125], help="of the object store")
    add("--store-requests-s", type=float, default=5500, help="of each folder")
    add("--requests-per-piece", type=float, default=4, help="a minute: stat, header, seek, read")
    add("--stream-mb-s", type=float, default=80, help="of one reader")
    add("--latency-ms", type=float, default=20, help="of a request")
    add("--dispatch-per-s", type=float, default=120, help="shards that a driver of Ray hands out")
    add("--driver-mb-s", type=float, default=1000, help="at which a driver reads and hashes")
    add("--folder-cores", type=int, default=16, help="that work on one folder")
    add("--seed", type=int, default=0)
    add("--markdown", action="store_true", help="print tables, not JSON")
    add("--plot", type=Path, help="PNG to write")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Count, simulate, print."""
    asked = arguments(given)
    hops = dict(asked.hop)
    works = [work(name, rate, hop_s=hops.get(name)) for name, rate in asked.windows_per_core_s]
    rows = [row for each in works for row in simulated(each, asked)]
    found = {
        "work": [asdict(each) for each in works],
        "arithmetic": [arithmetic(each, hours, asked) for hours in asked.hours for each in works],
        "simulation": rows,
        "bends": bends(rows),
        "settings": {**vars(asked), "plot": asked.plot and asked.plot.name},
    }
    if asked.plot:
        draw(found, asked, asked.plot)
    print(markdown(found, asked) if asked.markdown else json.dumps(found, indent=1))


if __name__ == "__main__":
    try:
        main()
    except FaunashotError as error:
        sys.exit(f"error: {error}")
