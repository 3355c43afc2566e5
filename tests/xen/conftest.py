"""Tests in this folder run inside a real dom0 (``make test-xen``); anywhere else they are skipped."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUESTS = Path("/opt/xenhost/guests")
CAPABILITIES = Path("/proc/xen/capabilities")


def in_dom0() -> bool:
    """Whether this process runs in the control domain of a Xen host."""
    try:
        return "control_d" in CAPABILITIES.read_text()
    except OSError:
        return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here ``xen``; skip it outside a dom0."""
    outside = None if in_dom0() else pytest.mark.skip(reason="not in a Xen dom0: use `make test-xen`")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xen)
            if outside is not None:
                item.add_marker(outside)


@pytest.fixture(scope="session")
def guests() -> Path:
    """The directory of guest kernels and images that the test bed provides."""
    return GUESTS
