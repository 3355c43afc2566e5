"""Positions of network cards."""

from collections.abc import Sequence

import pytest

from xenhost.drivers.network.nics.order import DuplicateAddress, Found, Placed, arrange

A, B, C = (f"52:54:00:00:00:0{n}" for n in (1, 2, 3))
SLOT1, SLOT2, SLOT3 = "0000:01:00.0", "0000:02:00.0", "0000:0a:00.0"


def _positions(order: Sequence[Placed]) -> dict[str, int]:
    return {card.device: card.position for card in order if card.present}


def test_first_order_is_mainboard_then_slots_then_others_by_name() -> None:
    order = arrange(
        [],
        [
            Found("usb10", "52:54:00:00:01:00"),
            Found("usb9", "52:54:00:00:01:01"),
            Found("enp10s0", A, SLOT3),
            Found("enp1s0", B, SLOT1),
            Found("eno1", C, SLOT3, onboard=1),
        ],
    )
    assert [card.device for card in order] == ["eno1", "enp1s0", "enp10s0", "usb9", "usb10"]
    assert [card.position for card in order] == [0, 1, 2, 3, 4]


def test_ports_of_one_function_are_in_their_order() -> None:
    order = arrange([], [Found("b", A, SLOT1, port=1), Found("a", B, SLOT1, port=0)])
    assert [card.device for card in order] == ["a", "b"]


def test_a_card_keeps_its_position_when_name_and_slot_change() -> None:
    last = [Placed(0, "eth0", A, SLOT1), Placed(1, "eth1", B, SLOT2)]
    order = arrange(last, [Found("eth0", B, SLOT1), Found("eth1", A, SLOT2)])
    assert order == [Placed(0, "eth1", A, SLOT2), Placed(1, "eth0", B, SLOT1)]


def test_a_card_that_replaces_one_in_its_slot_takes_its_position() -> None:
    last = [Placed(0, "eth0", A, SLOT1), Placed(1, "eth1", B, SLOT2)]
    assert arrange(last, [Found("eth0", C, SLOT1), Found("eth1", B, SLOT2)]) == [
        Placed(0, "eth0", C, SLOT1),
        Placed(1, "eth1", B, SLOT2),
    ]


def test_a_card_that_moved_is_not_taken_for_replaced_by_the_one_in_its_old_slot() -> None:
    last = [Placed(0, "eth0", A, SLOT1)]
    order = arrange(last, [Found("eth0", C, SLOT1), Found("eth1", A, SLOT2)])
    assert _positions(order) == {"eth1": 0, "eth0": 1}


def test_replaced_functions_of_one_slot_are_matched_by_address() -> None:
    last = [Placed(4, "eth4", A, SLOT1), Placed(2, "eth2", B, SLOT1)]
    order = arrange(last, [Found("x", "aa:00:00:00:00:02", SLOT1), Found("y", "aa:00:00:00:00:01", SLOT1)])
    assert _positions(order) == {"y": 4, "x": 2}


def test_a_card_that_is_gone_keeps_its_position_and_new_ones_follow_after_it() -> None:
    last = [Placed(0, "eth0", A, SLOT1), Placed(1, "eth1", B, SLOT2)]
    without = arrange(last, [Found("eth0", A, SLOT1)])
    assert without == [Placed(0, "eth0", A, SLOT1), Placed(1, "eth1", B, SLOT2, present=False)]
    more = arrange(without, [Found("eth0", A, SLOT1), Found("eth7", C, SLOT3)])
    assert _positions(more) == {"eth0": 0, "eth7": 2}
    back = arrange(more, [Found("eth0", A, SLOT1), Found("eth1", B, SLOT2), Found("eth7", C, SLOT3)])
    assert _positions(back) == {"eth0": 0, "eth1": 1, "eth7": 2}


def test_cards_in_no_slot_do_not_replace_each_other() -> None:
    order = arrange([Placed(0, "usb0", A)], [Found("usb0", B)])
    assert order == [Placed(0, "usb0", A, present=False), Placed(1, "usb0", B)]


def test_two_cards_with_one_address_are_an_error_that_names_them() -> None:
    with pytest.raises(DuplicateAddress, match=f"eth0, eth1 have the same address {A}"):
        arrange([], [Found("eth0", A, SLOT1), Found("eth1", A, SLOT2), Found("eth2", B)])


def test_arranging_again_changes_nothing() -> None:
    found = [Found("eth0", A, SLOT1), Found("eth1", B, SLOT2), Found("usb0", C)]
    order = arrange([], found)
    assert arrange(order, found) == order
