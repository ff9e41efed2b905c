"""``faunashot sync``."""

from __future__ import annotations

from faunashot.cli.output import AsJson, answer


def sync(as_json: AsJson = False) -> None:
    """Fill MLflow's gaps; a second call finds nothing to do."""
    from faunashot.tracking import store
    from faunashot.tracking import sync as filling

    done = filling.sync(store.root())
    if not done and not as_json:
        print("MLflow has every stage of every experiment already")
        return
    answer(done, as_json=as_json)
