"""Run a command of faunashot, its output to nowhere, and print its peak memory as JSON.

    python benchmarks/peak.py embed RECORDINGS... --backbone yamnet --out DIR

What the system notes of a process that has ended counts its parent's memory, too.
"""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

from faunashot.cli.main import main

if __name__ == "__main__":
    with redirect_stdout(io.StringIO()), suppress(SystemExit):
        main()
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps({"peak_mb": round(int(found[1]) / 1024) if found else None}), file=sys.stdout)
