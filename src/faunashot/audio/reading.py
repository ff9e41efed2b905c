"""How a recording is read: what of its channels, and how much it is slowed down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from faunashot.errors import AudioError

if TYPE_CHECKING:
    from faunashot.audio.decode import Announced, Audio, Decode

Channel = Literal["mix", "left", "right", "loudest"]
"""What of a recording's channels is listened to: their mean, the first, the second, the loudest."""

LOUDEST_S = 60
"""The loudest channel of a recording is that of its first minute, however it is read."""


@dataclass(frozen=True)
class Reading:
    """How recordings are read.

    Attributes
    ----------
    channel : str
        The mean of the channels (``mix``), the first or second of them, or the loudest.
    time_expansion : int
        How much a recording is slowed down, so that what is too high to be heard is not: its
        sample rate, a multiple of this, is divided by it.
    """

    channel: Channel = "mix"
    time_expansion: int = 1

    def facts(self) -> dict[str, Any]:
        """What of it is not as usual, for JSON."""
        usual = asdict(Reading())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def announced(self, source: Path) -> Announced | None:
        """As `faunashot.audio.decode.announced`, of the recording slowed down."""
        from faunashot.audio.decode import announced

        found = announced(source)
        if found is None or self.time_expansion == 1:
            return found
        rate = self._slowed(found.sample_rate)
        return replace(found, duration_s=found.duration_s * self.time_expansion, sample_rate=rate)

    def read(
        self,
        source: Path | bytes | Audio,
        *,
        span_s: tuple[int, int] | None = None,
        decode: Decode | None = None,
    ) -> Audio:
        """Decode a recording to one channel, slowed down.

        Parameters
        ----------
        source : Path, bytes or Audio
            The file, or what it was decoded to.
        span_s : tuple of int, optional
            From and to which second of the slowed recording; all of it if not given.
        decode : callable, optional
            What decodes it; `faunashot.audio.decode.decode` if not given.

        Raises
        ------
        AudioError
            As of `faunashot.audio.decode.decode`; or there is nothing to hear in it.
        """
        from faunashot.audio.usable import unusable

        by, own_s = self.time_expansion, span_s
        if span_s is not None:
            own_s = span_s[0] // by, -(-span_s[1] // by)
        audio = _decoded(source, own_s, decode)
        if reason := unusable(audio, channel=self.channel, whole=span_s is None):
            raise AudioError(reason)
        mono = audio.mono(self.channel)
        if self.channel == "loudest" and audio.samples.shape[1] > 1:
            beginning = _decoded(source, (0, LOUDEST_S), decode) if own_s else audio
            first = beginning.samples[: LOUDEST_S * audio.sample_rate]
            mono = audio.samples[:, replace(audio, samples=first).loudest]
        rate = self._slowed(audio.sample_rate)
        if span_s is not None and own_s is not None:
            begin = span_s[0] * rate - own_s[0] * audio.sample_rate
            mono = mono[begin : begin + (span_s[1] - span_s[0]) * rate]
        return replace(audio, samples=mono[:, None], sample_rate=rate)

    def _slowed(self, rate_hz: int) -> int:
        if rate_hz % self.time_expansion:
            raise AudioError(
                f"its sample rate of {rate_hz} Hz is no multiple of the time expansion of "
                f"{self.time_expansion}"
            )
        return rate_hz // self.time_expansion


def _decoded(
    source: Path | bytes | Audio, span_s: tuple[int, int] | None, by: Decode | None
) -> Audio:
    from faunashot.audio import decode

    if isinstance(source, decode.Audio):
        return source.span(span_s)
    return (by or decode.decode)(source, span_s=span_s)
