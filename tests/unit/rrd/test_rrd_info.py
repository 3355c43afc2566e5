"""What librrd says of a file, whatever its binding leaves out."""

import math
from pathlib import Path

import pytest
import rrdtool

from xenhost.rrd.rrd_info import rrd_info


def test_numbers_names_and_what_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "one.rrd"
    rrdtool.create(str(file), "--step", "5", "--start", "1000000000", "DS:load:GAUGE:60:U:U", "RRA:AVERAGE:0.25:12:7")
    rrdtool.update(str(file), "1000000005:1.5")
    told = rrd_info(file)
    assert (told["step"], told["last_update"], told["rra[0].cf"], told["rra[0].rows"]) == (5, 1000000005, "AVERAGE", 7)
    assert told["rra[0].xff"] == 0.25
    assert told["rra[0].cdp_prep[0].value"] == 1.5
    assert math.isnan(float(told["ds[load].min"]))


@pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
def test_what_is_no_database_is_an_error_of_its_own(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "none.rrd"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OSError, match=r"none\.rrd"):
        rrd_info(file)
