from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

CONSOLE_PROTOCOL_RFB: ConsoleProtocol
CONSOLE_PROTOCOL_UNSPECIFIED: ConsoleProtocol
CONSOLE_PROTOCOL_VT100: ConsoleProtocol
DESCRIPTOR: _descriptor.FileDescriptor

class AttachConsoleRequest(_message.Message):
    __slots__ = ["input", "protocol", "vm_id"]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    input: bytes
    protocol: ConsoleProtocol
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., input: _Optional[bytes] = ..., protocol: _Optional[_Union[ConsoleProtocol, str]] = ...) -> None: ...

class AttachConsoleResponse(_message.Message):
    __slots__ = ["output"]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    output: bytes
    def __init__(self, output: _Optional[bytes] = ...) -> None: ...

class Console(_message.Message):
    __slots__ = ["serial_tty", "vnc_socket"]
    SERIAL_TTY_FIELD_NUMBER: _ClassVar[int]
    VNC_SOCKET_FIELD_NUMBER: _ClassVar[int]
    serial_tty: str
    vnc_socket: str
    def __init__(self, serial_tty: _Optional[str] = ..., vnc_socket: _Optional[str] = ...) -> None: ...

class GetConsoleRequest(_message.Message):
    __slots__ = ["vm_id"]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ...) -> None: ...

class ConsoleProtocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
