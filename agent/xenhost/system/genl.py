"""Generic netlink, as much of it as setting up a block device takes. Blocking: call it in a thread."""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.system.netlink import read_attributes, text
from xenhost.system.netlink_client import NetlinkClient

_NETLINK_GENERIC: Final = 16
_CONTROL: Final = 0x10
_GET_FAMILY: Final = 3
_FAMILY_ID: Final = 1
_FAMILY_NAME: Final = 2
_GENERIC: Final = struct.Struct("=BBH")


def call(family: str, command: int, attributes: Sequence[bytes], timeout: float) -> Mapping[int, bytes]:
    """One command of a family; the attributes of its answer. Raises OSError with the kernel's errno, or TimeoutError.

    FileNotFoundError: there is no such family, its module is not loaded.
    """
    with NetlinkClient(_NETLINK_GENERIC, timeout) as kernel:
        answer = _exchange(kernel, _CONTROL, _GET_FAMILY, [text(_FAMILY_NAME, family)])
        id = struct.unpack_from("=H", answer[_FAMILY_ID])[0]
        return _exchange(kernel, id, command, attributes)


def _exchange(kernel: NetlinkClient, family: int, command: int, attributes: Sequence[bytes]) -> Mapping[int, bytes]:
    answers = kernel.change(family, _GENERIC.pack(command, 1, 0) + b"".join(attributes))
    return next((read_attributes(body[_GENERIC.size :]) for type, body in reversed(answers) if type == family), {})
