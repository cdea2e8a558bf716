"""Makes ``scoring`` importable where it is not installed: in a bento, which holds the checkout's folders."""

import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
if SOURCE.is_dir() and str(SOURCE) not in sys.path:
    sys.path.insert(0, str(SOURCE))
