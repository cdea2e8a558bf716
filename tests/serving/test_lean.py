"""What a worker does not import, and that it can still have it."""

from __future__ import annotations

import subprocess
import sys

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
