"""Every example in a docstring of the installed package runs as it is printed."""

import doctest
import importlib
import pkgutil

import pytest

import planeval

MODULES = sorted(
    info.name for info in pkgutil.walk_packages(planeval.__path__, "planeval.", lambda _: None)
)


def test_modules_are_found():
    """The list is not empty by accident."""
    assert len(MODULES) > 60


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    """All examples of a module give what they say."""
    failed, _ = doctest.testmod(importlib.import_module(name), verbose=False)
    assert failed == 0
