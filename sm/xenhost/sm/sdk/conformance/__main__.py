"""The command line of the suite."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from xenhost.sm.sdk.conformance import __doc__ as description
from xenhost.sm.sdk.conformance import report, suite
from xenhost.sm.sdk.conformance.report import BROKEN, Outcome


def main(argv: list[str] | None = None) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m xenhost.sm.sdk.conformance",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plugin", type=Path, help="root, folder of a volume plugin, or SMAPIv1 executable")
    parser.add_argument("--device-config", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    parser.add_argument("--plugin", dest="name", default="", help="which plugin of a root")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for one call, 60 by default")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="promises with that in their name")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--junit", metavar="FILE", help="write a JUnit report, too")
    options = parser.parse_args(argv)
    pairs = [text.partition("=") for text in options.device_config]
    if not all(separator for _, separator, _ in pairs):
        parser.error("--device-config: KEY=VALUE is right")
    configuration = {key: value for key, _, value in pairs}
    try:
        outcomes = list(_outcomes(options, configuration))
    except suite.CannotRun as reason:
        parser.exit(2, f"{reason}\n")
    (report.as_json if options.json else report.as_text)(outcomes, sys.stdout)
    if options.junit:
        report.as_junit(outcomes, options.junit)
    return int(any(each.result == BROKEN for each in outcomes))


def _outcomes(options: argparse.Namespace, configuration: dict[str, str]) -> Iterator[Outcome]:
    if options.plugin.is_dir():
        return suite.of_folder(options.plugin.resolve(), configuration, options.timeout, options.name, options.only)
    if not options.plugin.is_file():
        raise suite.CannotRun(f"{options.plugin} is neither a folder nor a program")
    from xenhost.sm.sdk.conformance.smapiv1 import of_program  # it needs the agent; the rest needs nothing

    return of_program(options.plugin.resolve(), configuration, options.timeout, options.only)


if __name__ == "__main__":
    sys.exit(main())
