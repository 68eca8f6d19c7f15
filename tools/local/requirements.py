"""What `make demo` and `make test` need: said before they start."""

import shutil

# Measured on 2 cores from an empty checkout. Disk includes .tools/ and the crates that cargo
# downloads.
FIRST_RUN = {"demo": (10, 4), "test": (35, 6)}  # minutes, GB
LATER_RUNS = {"demo": 2, "test": 5}  # minutes
BUILT = {
    "demo": (".aws-sam/demo/template.yaml", "target/debug/cognito-triggers"),
    "test": ("target/lambda", "target/debug/deps"),
}


def announcement(command, root, cores):
    """Time and disk that `command` needs now, and a warning if the disk is too small."""
    if all((root / path).exists() for path in BUILT[command]):
        return f"make {command}: most is built already; about {LATER_RUNS[command]} minutes if little has changed."
    minutes, gigabytes = FIRST_RUN[command]
    free = shutil.disk_usage(root).free / 1e9
    lines = [
        f"make {command}: the first run builds everything and takes about {minutes} minutes on 2 cores "
        f"(this machine has {cores}).",
        f"It needs about {gigabytes} GB of disk space in this folder and in cargo's folder; {free:.0f} GB are free.",
    ]
    if free < gigabytes:
        lines.append("The disk is too small: the build will probably fail.")
    return "\n".join(lines)
