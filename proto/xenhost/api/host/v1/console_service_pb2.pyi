from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AttachConsoleRequest(_message.Message):
    __slots__ = ["input", "vm_id"]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    input: bytes
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., input: _Optional[bytes] = ...) -> None: ...

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
