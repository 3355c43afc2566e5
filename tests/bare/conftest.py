"""Tests in this folder need what a dom0 is besides Xen: its kernel, its disks, its servers, its network cards.

They run on the test bed's bare machine (`make test-bare`), which is three times as fast as one under Xen; those marked
`bare_long` when asked for (`bed test --bare --long`). Those marked `xen_core` run in a real dom0 too, the others when
asked for (`bed test --long`). Anywhere else they are skipped.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
BED = Path("/opt/xenhost/project/bed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here `bare`, `xen` and `xen_long`; skip it outside the bed."""
    outside = None if BED.is_dir() else pytest.mark.skip(reason="not in the test bed: use `make test-bare`")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.bare)
            item.add_marker(pytest.mark.xen)
            item.add_marker(pytest.mark.xen_long)
            if outside is not None:
                item.add_marker(outside)
