"""One person labels: which item is asked next, what was answered, what can be taken back."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from faunashot.errors import AudioError, CorpusError
from faunashot.labelling.clip import Context, in_context
from faunashot.labelling.corpus import LabelledCorpus, check_classes
from faunashot.labelling.items import Item

MOST_ITEMS = 100_000
"""Items of one session: a person does not get to the end of them."""


class Session:
    """Asks for items one by one, and writes each answer at once.

    Safe to be called from several threads.

    Parameters
    ----------
    items : iterable of Item
        In the order in which they are asked; those with an answer are left out.
    corpus : LabelledCorpus
        That answers go into.
    classes : sequence of str
        Beside those that the corpus has.
    context_s : float
        Seconds around an item that are played and shown with it.
    """

    def __init__(
        self,
        items: Iterable[Item],
        corpus: LabelledCorpus,
        *,
        classes: Sequence[str] = (),
        context_s: float = 1.0,
    ) -> None:
        answered = corpus.answered
        self.corpus, self.context_s = corpus, context_s
        self.items = [item for item in islice(items, MOST_ITEMS) if item.key not in answered]
        self.classes = check_classes([*classes, *corpus.counts])
        self._at = 0
        self._done: list[int] = []
        self._skipped: set[int] = set()
        self._lock = threading.RLock()
        self._context = lru_cache(maxsize=4)(self._decoded)

    def state(self) -> dict[str, Any]:
        """What the page shows, JSON-ready: the item that is asked, classes, how far it is."""
        with self._lock:
            item = self.items[self._at] if self._at < len(self.items) else None
            return {
                "classes": self.classes,
                "counts": self.corpus.counts,
                "uncertain": len(self.corpus.uncertain),
                "done": len(self._done) - len(self._skipped),
                "left": len(self.items) - self._at,
                "can_undo": bool(self._done),
                "item": None if item is None else self._shown(item),
            }

    def context(self, number: int) -> Context:
        """Audio of an item by its number.

        Raises
        ------
        AudioError
            It cannot be decoded, or nothing can be heard in it.
        CorpusError
            There is no such item.
        """
        if not 0 <= number < len(self.items):
            raise CorpusError(f"there is no item {number}")
        return self._context(number)

    def label(self, number: int, name: str) -> None:
        """Answer that the item is of a class, which may be a new one.

        Raises
        ------
        CorpusError
            The name is none of a class, or the item is not the one that is asked.
        """
        (name,) = check_classes([name])
        with self._lock:
            item = self._asked(number)
            self.corpus.add(item, self.context(number).own, label=name)
            if name not in self.classes:
                self.classes.append(name)
            self._next()

    def uncertain(self, number: int) -> None:
        """Answer that one cannot tell."""
        with self._lock:
            self.corpus.add_uncertain(self._asked(number))
            self._next()

    def skip(self, number: int) -> None:
        """Leave the item for another session."""
        with self._lock:
            self._asked(number)
            self._skipped.add(number)
            self._next()

    def undo(self) -> None:
        """Take the last answer back, and ask for its item again."""
        with self._lock:
            if not self._done:
                raise CorpusError("there is no answer to take back")
            number = self._done[-1]
            if number not in self._skipped:
                self.corpus.take_back(self.items[number])
            self._skipped.discard(number)
            self._done.pop()
            self._at = number

    def _asked(self, number: int) -> Item:
        if number != self._at or number >= len(self.items):
            raise CorpusError("another item is asked by now: reload the page")
        return self.items[number]

    def _next(self) -> None:
        self._done.append(self._at)
        self._at += 1

    def _decoded(self, number: int) -> Context:
        return in_context(self.items[number], context_s=self.context_s)

    def _shown(self, item: Item) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "number": self._at,
            "file": item.file.as_posix(),
            "suggestion": item.suggestion,
        }
        try:
            context = self.context(self._at)
        except AudioError as error:
            return shown | {"error": str(error)}
        audio = context.audio
        return shown | {
            "begin_s": context.begin_s,
            "start_s": context.start_s,
            "end_s": context.end_s,
            "shown_s": audio.duration_s,
            "nyquist_hz": audio.sample_rate / 2,
        }
