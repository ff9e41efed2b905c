"""The options that backbones have in common: the step between windows, and other weights."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, create_model

from faunashot.options import Options


def window_options(
    window_s: float, *, hop_s: float | None = None, shortest_s: float = 0.01, **more: Any
) -> type[Options]:
    """Options of a backbone on windows of one length.

    Parameters
    ----------
    window_s : float
        Length of a window in seconds, the longest step between two.
    hop_s : float, optional
        The step unless the user sets one; a window if not given.
    shortest_s : float
        The shortest step.
    **more : (type, value)
        Further options with their defaults.
    """
    step = Annotated[float, Field(ge=shortest_s, le=window_s)]
    made: type[Options] = create_model(
        "Options",
        __base__=Options,
        __doc__="Step between windows, and weights in place of the published ones.",
        hop_s=(step, window_s if hop_s is None else hop_s),
        weights=(str, ""),
        **more,
    )
    return made
