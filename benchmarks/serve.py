"""How many clips a served model answers, how soon, and what memory that takes.

    python benchmarks/serve.py PROJECT [--model models:/faunashot-demo@champion] [--server mlflow]
        [--clients 16] [--seconds 300] [--alone 500] [--clips DIR] [--wav]

prints JSON. It starts a server of the project on a free port of this machine, asks it `--alone`
times one after the other, then with so many clients side by side for so many seconds by locust
(``pip install locust``, in no lock), and ends it. ``--server faunashot`` starts ``faunashot serve``
in place of ``mlflow models serve``. Recordings are those of the folder `--clips`, the demo's if not
given, with ``--wav`` written anew as WAV files of 16 bits at 44.1 kHz.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf

from faunashot.audio.decode import decode
from faunashot.audio.resample import resample

READY_S = 120
EVERY_S = 5.0
"""Between two looks at the server's memory."""

CLIPS = 40
"""Recordings that are sent, one after the other and over again."""

WAV_HZ = 44_100
JSON = {"Content-Type": "application/json"}
CLIENTS = Path(__file__).with_name("serve_clients.py")


def command(server: str, model: str, port: int) -> list[str]:
    """What starts a server."""
    programs = Path(sys.executable).parent
    if server == "faunashot":
        return [f"{programs}/faunashot", "serve", "--model", model, "--port", str(port)]
    serve = [f"{programs}/mlflow", "models", "serve", "-m", model, "-h", "127.0.0.1"]
    return [*serve, "-p", str(port), "--env-manager", "local"]


@contextlib.contextmanager
def served(server: str, model: str, project: Path) -> Iterator[tuple[int, int, float]]:
    """Port and process of a server that answers, and the seconds that its start took."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    began = time.perf_counter()
    running = subprocess.Popen(
        command(server, model, port),
        cwd=project,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # so that what it starts ends with it
    )
    try:
        while not answers(port):
            if running.poll() is not None or time.perf_counter() - began > READY_S:
                raise SystemExit(f"the server did not start: {' '.join(map(str, running.args))}")
            time.sleep(0.05)
        yield port, running.pid, time.perf_counter() - began
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(timeout=30)


def answers(port: int) -> bool:
    """Whether a server is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def first_of(folder: Path) -> list[Path]:
    """The first recordings of a folder."""
    return sorted(file for file in folder.iterdir() if file.is_file())[:CLIPS]


def requests_of(folder: Path) -> list[bytes]:
    """A request for each of the first recordings of a folder."""
    texts = [base64.b64encode(file.read_bytes()).decode() for file in first_of(folder)]
    return [json.dumps({"inputs": [text]}).encode() for text in texts]


def alone(port: int, bodies: list[bytes], *, count: int) -> dict[str, float]:
    """Milliseconds of requests one after the other, the first twenty of which do not count."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took = []
    for at in range(count + 20):
        began = time.perf_counter()
        connection.request("POST", "/invocations", bodies[at % len(bodies)], JSON)
        answer = connection.getresponse()
        answer.read()
        took.append(1000 * (time.perf_counter() - began))
        if answer.status != 200:
            raise SystemExit(f"the server answered with {answer.status}")
    connection.close()
    shares = np.percentile(took[20:], [50, 90, 99, 100])
    return {
        "requests": count,
        **dict(zip(("p50_ms", "p90_ms", "p99_ms", "max_ms"), shares.round(1), strict=True)),
    }


def side_by_side(port: int, clips: Path, *, clients: int, seconds: int) -> dict[str, object]:
    """What locust says of clients that ask side by side."""
    options = ["--headless", "--json", "--only-summary", "--exit-code-on-error", "0"]
    options += ["-u", str(clients), "-r", str(clients), "-t", f"{seconds}s"]
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", CLIENTS, *options, "-H", f"http://127.0.0.1:{port}"],
        env={**os.environ, "CLIPS": str(clips)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    (found,) = json.loads(done.stdout[done.stdout.index("[") :])
    times = {float(ms): count for ms, count in found["response_times"].items()}
    every = np.repeat(sorted(times), [times[ms] for ms in sorted(times)])
    took_s = found["last_request_timestamp"] - found["start_time"]
    return {
        "clients": clients,
        "seconds": round(took_s, 1),
        "requests": found["num_requests"],
        "failures": found["num_failures"],
        "requests_per_s": round(found["num_requests"] / took_s, 1),
        "p50_ms": float(np.percentile(every, 50)),
        "p99_ms": float(np.percentile(every, 99)),
        "max_ms": round(found["max_response_time"], 1),
    }


class Watch:
    """Memory and processor time of a server and what it started, looked at now and then."""

    def __init__(self, group: int) -> None:
        self._group, self._ended = group, threading.Event()
        self.rss_mb: list[float] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(EVERY_S if self.rss_mb else 0):
            self.rss_mb.append(round(sum(map(rss_mb, members(self._group))), 1))

    def memory(self) -> dict[str, float]:
        """Megabytes at first, once a quarter of the time is over, at the end, and the most."""
        seen = self.rss_mb
        quarter = seen[len(seen) // 4]
        return {
            "first_mb": seen[0],
            "quarter_mb": quarter,
            "last_mb": seen[-1],
            "most_mb": max(seen),
        }


def members(group: int) -> list[int]:
    """Processes of a group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[2]) == group:
                found.append(int(stat.parent.name))
    return found


def rss_mb(process: int) -> float:
    """Memory of a process that is not shared with its file, in megabytes."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
    return 0.0


def processor_s(group: int) -> float:
    """Processor time of the processes of a group so far."""
    total = 0.0
    for process in members(group):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def as_wav(source: Path, folder: Path) -> Path:
    """A folder of the first recordings of another as WAV files."""
    for file in first_of(source):
        audio = decode(file)
        samples = resample(audio.mono(), audio.sample_rate, to_hz=WAV_HZ)
        sf.write(folder / f"{file.stem}.wav", samples, WAV_HZ, subtype="PCM_16")
    return folder


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--model", default="models:/faunashot-demo@champion")
    parser.add_argument("--server", choices=["mlflow", "faunashot"], default="mlflow")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=300, help="0 leaves the load out")
    parser.add_argument("--alone", type=int, default=500)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--wav", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = asked.clips or asked.project / "data" / "demo" / "audio"
        if asked.wav:
            clips = as_wav(clips, Path(folder))
        bodies = requests_of(clips)
        with served(asked.server, asked.model, asked.project) as (port, group, start_s):
            answer: dict[str, object] = {
                "server": asked.server,
                "load_average": os.getloadavg()[0],
                "request_kb": round(np.mean([len(body) for body in bodies]) / 1000, 1),
                "start_s": round(start_s, 2),
                "alone": alone(port, bodies, count=asked.alone),
            }
            if asked.seconds:
                before_s = processor_s(group)
                with Watch(group) as watch:
                    load = side_by_side(port, clips, clients=asked.clients, seconds=asked.seconds)
                load["processor_ms_a_request"] = round(
                    1000 * (processor_s(group) - before_s) / load["requests"], 1
                )
                answer |= {"load": load, "memory": watch.memory()}
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
