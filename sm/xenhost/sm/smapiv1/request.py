"""What a plugin is told: the one argument it is started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.core.storage_errors import backend_failure
from xenhost.system import xmlrpc as codec
from xenhost.system.xml_tree import CodecError

MAX_ARGUMENT: Final = 128 << 10
"""Bytes Linux takes in one argument of a program (MAX_ARG_STRLEN), with the zero at its end."""


@dataclass(frozen=True, slots=True)
class Request:
    """One command. What is empty or None is left out of the document, as xapi does it."""

    command: str
    args: tuple[str, ...] = ()
    device_config: Mapping[str, str] = field(default_factory=dict)
    session_ref: str = ""
    sr_sm_config: Mapping[str, str] | None = None
    sr_ref: str = ""
    sr_uuid: str = ""
    vdi_type: str = ""
    vdi_ref: str = ""
    vdi_location: str = ""
    vdi_uuid: str = ""
    driver_params: Mapping[str, str] | None = None
    vdi_sm_config: Mapping[str, str] | None = None
    new_uuid: str = ""
    subtask_of: str = ""
    vdi_on_boot: str = ""
    vdi_allow_caching: str = ""
    local_cache_sr: str = ""

    def document(self, host_ref: str) -> str:
        """The methodCall. Raises InvalidValue if it is too long, backend_failure 447 for what XML cannot hold."""
        fields: dict[str, codec.Value] = {"host_ref": host_ref, "command": self.command, "args": list(self.args)}
        fields["device_config"] = self.device_config
        fields |= {name: value for name in _OPTIONAL if (value := getattr(self, name)) not in ("", None)}
        try:
            text = codec.dump_call(self.command, fields)
        except CodecError as error:
            raise backend_failure(447, f"{error}; use printable characters only") from error
        if "\0" in text or len(text.encode()) >= MAX_ARGUMENT:
            raise InvalidValue(
                f"the request {self.command} does not fit into {MAX_ARGUMENT} bytes; use shorter texts",
                field=self.command,
                value="",
            )
        return text


_OPTIONAL: Final = tuple(
    name for name in Request.__dataclass_fields__ if name not in ("command", "args", "device_config")
)
"""In the order in which xapi writes them."""
