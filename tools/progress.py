"""Shows that a long build is still running, and says before it starts what it needs.

progress.py demo|test            prints the time and disk space that the command needs
progress.py TITLE -- COMMAND     runs COMMAND, and prints a line every 20 seconds while it runs
"""

import os
import subprocess
import sys

from local.heartbeat import Heartbeat
from local.processes import ROOT
from local.requirements import announcement

if __name__ == "__main__":
    if sys.argv[2:3] == ["--"]:
        with Heartbeat(sys.argv[1]):
            sys.exit(subprocess.run(sys.argv[3:], check=False).returncode)
    elif len(sys.argv) == 2 and sys.argv[1] in ("demo", "test"):
        print(announcement(sys.argv[1], ROOT, os.cpu_count() or 1))
    else:
        sys.exit(__doc__)
