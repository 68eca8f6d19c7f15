"""What a long build prints: its needs before it starts, and a line while it runs."""

import io
import tempfile
import time
import unittest
from pathlib import Path

from local.heartbeat import INTERVAL, Heartbeat, duration
from local.requirements import BUILT, announcement


class Progress(unittest.TestCase):
    def test_a_line_is_printed_while_the_block_runs_and_none_after_it(self):
        out = io.StringIO()
        with Heartbeat("building", interval=0.01, out=out):
            time.sleep(0.2)
        printed = out.getvalue()
        self.assertIn("... building: 0 s\n", printed)
        time.sleep(0.05)
        self.assertEqual(out.getvalue(), printed)

    def test_the_interval_is_at_most_half_a_minute(self):
        self.assertLessEqual(INTERVAL, 30)

    def test_durations_are_minutes_and_seconds(self):
        self.assertEqual([duration(s) for s in (0, 59.9, 60, 754)], ["0 s", "59 s", "1 min 00 s", "12 min 34 s"])

    def test_time_and_disk_are_named_before_the_first_run_only(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for command in BUILT:
                self.assertRegex(announcement(command, root, 4), r"about \d+ minutes(.|\n)*about \d+ GB of disk")
                for path in BUILT[command]:
                    (root / path).mkdir(parents=True, exist_ok=True)
                self.assertIn("built already", announcement(command, root, 4))


if __name__ == "__main__":
    unittest.main()
