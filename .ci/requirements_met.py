"""Say what is missing before an installation starts: Python version, disk. Runs on any Python 3, with nothing installed."""

import shutil
import sys

SMALLEST_PYTHON = (3, 11)
DISK_BYTES = 4 << 30


def main() -> int:
    """Print one line for each thing that is missing; 0 when nothing is."""
    missing = []
    if sys.version_info < SMALLEST_PYTHON:
        wanted = ".".join(map(str, SMALLEST_PYTHON))
        missing.append(
            "Python %s or newer is needed; this is %s. Install it, then: make PYTHON=python%s ..."
            % (wanted, sys.version.split()[0], wanted)
        )
    free = shutil.disk_usage(".").free
    if free < DISK_BYTES:
        missing.append("4 GB of free disk are needed here; %.1f GB are free." % (free / (1 << 30)))
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        missing.append("The Python modules venv and ensurepip are missing. On Debian: apt-get install python3-venv")
    for line in missing:
        sys.stderr.write("missing: %s\n" % line)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
