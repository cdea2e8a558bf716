"""Makes ``scoring`` importable where nothing is installed: a bento holds the folders of the checkout, and ``src/`` is one of them."""

import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
if SOURCE.is_dir() and str(SOURCE) not in sys.path:
    sys.path.insert(0, str(SOURCE))
