"""A cohort of small plans, and one executor whose child processes serve all tests of a process."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cohort.small_plans import PROTOCOL, write_plan

from planeval.cohort.run import close_children


@pytest.fixture(scope="session")
def executor():
    with ThreadPoolExecutor(2) as threads:
        yield threads
    close_children()


@pytest.fixture(scope="session")
def protocol(tmp_path_factory):
    path = tmp_path_factory.mktemp("protocol") / "small.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return path


@pytest.fixture
def export(tmp_path):
    """Three patients in folders of different depth."""
    root = tmp_path / "export"
    write_plan(root / "a", "P1", label="ONE", gy=40.0)
    write_plan(root / "b" / "deep" / "er", "P2", label="TWO", gy=50.0)
    write_plan(root / "b", "P3", label="THREE", gy=30.0)
    return root
