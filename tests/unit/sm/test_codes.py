from xenhost.sm.codes import STORAGE_CODES, describe


def test_the_table_has_all_of_xenservers_numbers() -> None:
    assert len(STORAGE_CODES) == 173
    assert {code.number: code.name for code in STORAGE_CODES.values()}[39] == "SRNotEmpty"
    assert len({code.name for code in STORAGE_CODES.values()}) == 173


def test_a_number_that_is_not_in_the_table_is_described_as_such() -> None:
    assert describe(107).startswith("device-config lacks SCSIid")
    assert "31337" in describe(31337)
