"""A line every few seconds while a long step runs, on a terminal and in a log alike."""

import sys
import threading
import time

INTERVAL = 20  # seconds


class Heartbeat:
    """Use it with `with`: prints `title` and the elapsed time until the block ends."""

    def __init__(self, title, interval=INTERVAL, out=None):
        self.title, self.interval, self.out = title, interval, out or sys.stdout
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        while not self._ended.wait(self.interval):
            seconds = time.monotonic() - self._began
            print(f"... {self.title}: {duration(seconds)}", file=self.out, flush=True)


def duration(seconds):
    """`75` is `1 min 15 s`."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
