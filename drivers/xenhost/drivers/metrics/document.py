"""The tables of docs/data-sources.md, made from the catalog: `python -m xenhost.drivers.metrics.document FILE`."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xenhost.core.metrics import Transform
from xenhost.drivers.metrics.catalog import CATALOG, Kind

BEGIN: Final = "<!-- tables: made by xenhost.drivers.metrics.document -->\n"
END: Final = "<!-- end of tables -->\n"
_WORDS: Final = (
    *(("cpu", "N"), ("CPU", "N"), ("pif_", "<card>"), ("vif_", "N"), ("vbd_", "<disk>")),
    *(("temperature_", "<sensor>"), ("fan_", "<sensor>"), ("power_", "<sensor>")),
)


def tables() -> str:
    """Chapter by chapter."""
    return "\n".join(_lines()) + "\n"


def renewed(page: str) -> str:
    """The page with the tables of now. Raises ValueError if it does not say where they are."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the tables")
    return head + begin + tables() + end + tail


def _lines() -> Iterator[str]:
    for title, kinds in CATALOG:
        yield f"\n## {title}\n"
        origins = {kind.origin for kind in kinds}
        if len(origins) == 1:
            yield f"From {origins.pop()}.\n"
            yield "| name | unit | type | bounds | default | |\n|---|---|---|---|---|---|"
            yield from map(_row, kinds)
        else:
            yield "| name | unit | type | bounds | default | | from |\n|---|---|---|---|---|---|---|"
            yield from (f"{_row(kind)} {kind.origin} |" for kind in kinds)


def _row(kind: Kind) -> str:
    type = f"{kind.type}, {kind.value_type}" + (", inverse" if kind.transform is Transform.INVERSE else "")
    words = kind.description.replace("{}…", "").replace(" '{}'", "").replace("{}", "").replace("  ", " ").strip()
    default = "yes" if kind.default else "no"
    return f"| `{_name(kind)}` | {kind.units} | {type} | {_bounds(kind)} | {default} | {words.replace(' ,', ',')} |"


def _name(kind: Kind) -> str:
    """With words for what differs."""
    if kind.pattern.count("{}") > 1:
        return kind.pattern.format("N", "M")
    for start, word in _WORDS:
        if kind.pattern.startswith(start):
            return kind.pattern.format(word)
    return kind.pattern.format("<sr>")


def _bounds(kind: Kind) -> str:
    low = "" if math.isinf(kind.min) else f"{kind.min:g}"
    high = "" if math.isinf(kind.max) else f"{kind.max:g}"
    return f"{low}…{high}" if low or high else ""


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text()))
