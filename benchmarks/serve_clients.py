"""What a client of the load test does, as locust reads it: it asks again as soon as it is answered.

The folder of recordings is named by the environment variable CLIPS.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from locust import FastHttpUser, task
from serve import JSON, requests_of

BODIES = itertools.cycle(requests_of(Path(os.environ["CLIPS"])))


class Client(FastHttpUser):
    """Asks without a pause; any answer but 200 counts as a failure."""

    @task
    def ask(self) -> None:
        """Send the next recording."""
        self.client.post("/invocations", data=next(BODIES), headers=JSON, name="clip")
