"""The queries that run are the ones that the code says."""

from __future__ import annotations

from scoring.resources import query_text
from tests.features.kept_queries import KEPT, compiled_queries


def test_kept_queries_are_what_ibis_compiles_now() -> None:
    compiled = compiled_queries()

    assert {path.stem for path in KEPT.iterdir()} == set(compiled)
    assert {name: query_text(name) for name in compiled} == compiled, "run: python -m tests.features.kept_queries"
