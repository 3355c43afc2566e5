"""pytest plugin of the test bed, loaded in dom0: tells the host of each test as it happens.

One JSON object a line goes to $BED_RESULTS, which lies on the host, so that results survive the death of the machine.
With $BED_PHASE = together, tests that must be alone on the machine are put aside and only reported.
"""

import json
import os

import pytest

ALONE = ("xen_pvh", "xen_hvm")


class Reporter:
    """Writes one line for each thing that happens."""

    def __init__(self, path: str, phase: str) -> None:
        self._file = open(path, "a", buffering=1)  # noqa: SIM115 - open as long as pytest runs
        self._phase = phase

    def _tell(self, event: str, **fields: object) -> None:
        self._file.write(json.dumps({"event": event, **fields}) + "\n")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if self._phase != "together":
            return
        alone = [i for i in items if any(i.get_closest_marker(name) for name in ALONE)]
        if alone:
            config.hook.pytest_deselected(items=alone)
            items[:] = [i for i in items if i not in alone]
        self._tell("alone", nodes=[item.nodeid for item in alone])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell("start", node=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        text = report.longreprtext
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            text = report.longrepr[2]
        self._tell(
            "report",
            node=report.nodeid,
            when=report.when,
            outcome=report.outcome,
            xfail=hasattr(report, "wasxfail"),
            seconds=report.duration,
            text=text,
            sections=[[title, content[-20000:]] for title, content in report.sections],
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell("collect-error", node=report.nodeid, text=report.longreprtext)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._tell("finish", status=int(exitstatus))


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("BED_RESULTS")
    if path:
        config.pluginmanager.register(Reporter(path, os.environ.get("BED_PHASE", "")), "bed-reporter")
