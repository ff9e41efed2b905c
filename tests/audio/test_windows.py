"""Windows: every sample is covered, the tail is padded, and the counts are YAMNet's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faunashot.audio.windows import count_windows, split_windows
from faunashot.errors import ParameterError


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int, int]:
    """Samples, window and hop, with hops up to the window's length."""
    window = draw(st.integers(1, 60))
    return draw(st.integers(0, 300)), window, draw(st.integers(1, window))


@given(cuts())
def test_windows_are_the_padded_signal_every_hop(cut: tuple[int, int, int]) -> None:
    n_samples, window, hop = cut
    samples = np.arange(1, n_samples + 1, dtype=np.float32)
    windows = split_windows(samples, window, hop=hop)
    assert windows.dtype == np.float32
    assert windows.shape == (count_windows(n_samples, window, hop=hop), window)
    padded = np.concatenate([samples, np.zeros(window, np.float32)])
    for i, row in enumerate(windows):
        np.testing.assert_array_equal(row, padded[i * hop : i * hop + window])


@given(cuts())
def test_every_sample_is_covered_and_no_window_is_too_many(cut: tuple[int, int, int]) -> None:
    n_samples, window, hop = cut
    count = count_windows(n_samples, window, hop=hop)
    assert (count - 1) * hop + window >= n_samples
    assert count == 1 or (count - 2) * hop + window < n_samples


@pytest.mark.parametrize("n_samples", [0, 1])
def test_next_to_nothing_is_one_window(n_samples: int) -> None:
    windows = split_windows(np.ones(n_samples, np.float32), 4, hop=2)
    assert windows.tolist() == [[n_samples, 0, 0, 0]]


@pytest.mark.parametrize(("window", "hop"), [(4, 5), (4, 0), (4, -1), (0, 0)])
def test_hops_that_would_drop_audio_are_refused(window: int, hop: int) -> None:
    with pytest.raises(ParameterError, match=f"hop of {hop} samples must be in 1..{window}"):
        split_windows(np.ones(9, np.float32), window, hop=hop)


@pytest.mark.shared
def test_counts_are_those_that_yamnet_publishes(shared: Path) -> None:
    table = np.load(shared / "parity" / "yamnet.npz")["frame_counts"]
    for n_samples, patches, frames in table.tolist():
        assert count_windows(n_samples, 15_600, hop=7_680) == patches
        assert 96 + 48 * (patches - 1) == frames
