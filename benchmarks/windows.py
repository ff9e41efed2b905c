"""How long an estimator takes to learn from windows: synthetic features, no audio, no network.

    python benchmarks/windows.py [--clips 1400] [--windows 10] [--dim 1024] [--estimator lightgbm]

prints JSON: seconds and processor seconds of fitting, with a seventh as many clips to choose on,
and what was chosen on them.
"""

from __future__ import annotations

import argparse
import json
import time

from sweep import corpus

from faunashot.estimators.kinds import make_estimator


def main(given: list[str] | None = None) -> None:
    """Fit, and say how long it took."""
    asked = arguments(given)
    held = asked.clips // 7
    table = corpus(
        clips=asked.clips + held,
        classes=asked.classes,
        dim=asked.dim,
        windows=asked.windows,
        seed=asked.seed,
    )
    ids = table.clips["clip_id"].tolist()
    train, validation = table.examples(ids[held:]), table.examples(ids[:held])
    model = make_estimator(asked.estimator, seed=asked.seed)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(train, validation=validation)
    found = {
        "windows": len(train.rows),
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        **model.chosen(),
    }
    print(json.dumps({**found, "settings": vars(asked)}, indent=1))


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--estimator", default="lightgbm")
    parser.add_argument("--clips", type=int, default=1400)
    parser.add_argument("--windows", type=int, default=10, help="of each clip")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
