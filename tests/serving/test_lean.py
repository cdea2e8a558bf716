"""What a worker does not import, and that it can still have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WORKER = """
import sys
import serving.worker
print(sorted({"matplotlib", "mlflow", "sklearn", "shap", "sqlglot", "ibis.expr"} & set(sys.modules)))
from scoring.features.builder import compiled_features
from scoring.resources import query_text
print(compiled_features() == query_text("features"), "sqlglot" in sys.modules)
"""


def test_a_worker_imports_no_compiler_of_queries_until_one_is_compiled() -> None:
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=120, check=False)

    assert (done.stdout.splitlines(), done.returncode) == (["[]", "True True"], 0), done.stderr


LEFT = """
import serving.lean
import serving.worker
from scoring.scores.log_odds import probability
from llvmlite import binding
import duckdb, numpy as np, os
def resident_mib(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
before = resident_mib()
serving.lean.leave_code_unread()
after = resident_mib()
print(before - after > 50, duckdb.sql("SELECT 40 + 2").fetchall(), probability(np.zeros(1)), binding.llvm_version_info[0] > 0)
"""


@pytest.mark.skipif(
    not Path("/proc/self/smaps").is_file(), reason="the system does not list mappings: not checked that pages leave"
)
def test_pages_of_libraries_that_only_loading_read_leave_and_come_back_when_needed() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=120, check=False)

    assert (done.stdout.splitlines(), done.returncode) == (["True [(42,)] [0.5] True"], 0), done.stderr
