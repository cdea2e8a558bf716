"""The examples in the docstrings of the service run."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from serving import answers, app, current_plan, desk, edge, histories, meters, openapi, opening, serve, shapes, wire

MODULES = (answers, app, current_plan, desk, edge, histories, meters, openapi, opening, serve, shapes, wire)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_run(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0
