"""Print the last day a portfolio can be planned for: its extract day."""

import sys
from pathlib import Path

from scoring.portfolio.reading import read_portfolio

print(read_portfolio(Path(sys.argv[1]), threads=1).extract_on)
