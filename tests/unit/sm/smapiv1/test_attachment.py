import socket
from pathlib import Path
from typing import Any

import pytest

from xenhost.core.storage import AttachMode, Backend, BackendKind, VdiId
from xenhost.sm.smapiv1.attachment import Attachment, AttachmentError, Attachments, Phase, backends, read_answer

SR, VDI = "the-sr", VdiId("the-vdi")


def attachment(params: str = "", params_nbd: str = "") -> Attachment:
    return Attachment(AttachMode.RW, Phase.ACTIVE, params, params_nbd)


@pytest.fixture
def nbd(tmp_path: Path) -> Path:
    path = tmp_path / "nbd"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    return path


def test_a_raw_file_and_an_nbd_socket_are_found(tmp_path: Path, nbd: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    assert backends(SR, VDI, attachment(str(image), f"nbd:unix:{nbd}:exportname=x")) == [
        Backend(BackendKind.FILE, str(image)),
        Backend(BackendKind.NBD, str(nbd), "x"),
    ]


def test_an_nbd_uri_and_a_link_to_a_socket_are_understood(tmp_path: Path, nbd: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(nbd)
    assert backends(SR, VDI, attachment(params_nbd=f"nbd+unix:///x?socket={link}")) == [
        Backend(BackendKind.NBD, str(link), "x")
    ]
    assert backends(SR, VDI, attachment(params_nbd=f"nbd:unix:{link}")) == [Backend(BackendKind.NBD, str(link))]


def test_a_driver_that_names_no_place_has_none() -> None:
    assert backends(SR, VDI, attachment()) == []


@pytest.mark.parametrize(
    "there",
    [
        attachment("/nonexistent"),
        attachment("relative/path"),
        attachment("/dev/null"),
        attachment("/tmp"),
        attachment(params_nbd="nbd:unix:/nonexistent:exportname=x"),
        attachment(params_nbd="nbd:unix:/dev/null:exportname=x"),
        attachment(params_nbd="nbd://elsewhere:10809/x"),
        attachment(params_nbd="http://["),
    ],
)
def test_a_place_where_nothing_usable_is_is_an_error(there: Attachment) -> None:
    with pytest.raises(AttachmentError, match="there is no"):
        backends(SR, VDI, there)


@pytest.mark.parametrize(
    "answer",
    [None, 7, [], {"params": 7}, {"params": "x" * 9999}, {"params": "a\0b"}, {"xenstore_data": "x"}, {"params": None}],
)
def test_an_answer_that_cannot_be_used_is_refused(answer: Any) -> None:
    with pytest.raises(AttachmentError):
        read_answer(AttachMode.RO, answer)


def test_an_answer_is_read_in_its_new_and_its_oldest_form() -> None:
    new = read_answer(AttachMode.RW, {"params_nbd": "n", "o_direct": True, "xenstore_data": {"a": "b"}})
    assert (new.params, new.params_nbd, new.xenstore_data, new.phase) == ("", "n", {"a": "b"}, Phase.ATTACHED)
    assert read_answer(AttachMode.RO, "/dev/sda").params == "/dev/sda"


def test_attachments_are_kept_for_the_next_agent(tmp_path: Path) -> None:
    first = Attachments(tmp_path / "sr")
    assert not first.attached()
    first.mark()
    first.put(VDI, attachment("/x"))
    second = Attachments(tmp_path / "sr")
    assert second.attached()
    assert second.get(VDI) == attachment("/x")
    assert second.all() == {VDI: attachment("/x")}
    second.step(VDI, attachment("/x"), Phase.ACTIVATING)
    assert (first.get(VDI) or attachment()).phase is Phase.ACTIVATING
    first.drop(VDI)
    assert second.get(VDI) is None
    second.clear()
    assert not first.attached()
