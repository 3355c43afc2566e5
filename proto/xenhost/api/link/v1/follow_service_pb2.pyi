from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class End(_message.Message):
    __slots__ = ["agents", "handover"]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    HANDOVER_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Endpoint]
    handover: str
    def __init__(self, handover: _Optional[str] = ..., agents: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ["address", "host_id"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    address: str
    host_id: str
    def __init__(self, host_id: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ["hello", "prepared"]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    PREPARED_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    prepared: Prepared
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., prepared: _Optional[_Union[Prepared, _Mapping]] = ...) -> None: ...

class FollowResponse(_message.Message):
    __slots__ = ["end", "moved", "piece", "standing"]
    END_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    end: End
    moved: Moved
    piece: Piece
    standing: Standing
    def __init__(self, standing: _Optional[_Union[Standing, _Mapping]] = ..., piece: _Optional[_Union[Piece, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ..., moved: _Optional[_Union[Moved, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ["host_id", "https_port", "link_port"]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    HTTPS_PORT_FIELD_NUMBER: _ClassVar[int]
    LINK_PORT_FIELD_NUMBER: _ClassVar[int]
    host_id: str
    https_port: int
    link_port: int
    def __init__(self, host_id: _Optional[str] = ..., https_port: _Optional[int] = ..., link_port: _Optional[int] = ...) -> None: ...

class Moved(_message.Message):
    __slots__ = ["handover", "host_id", "link", "master"]
    HANDOVER_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    MASTER_FIELD_NUMBER: _ClassVar[int]
    handover: str
    host_id: str
    link: str
    master: str
    def __init__(self, host_id: _Optional[str] = ..., handover: _Optional[str] = ..., master: _Optional[str] = ..., link: _Optional[str] = ...) -> None: ...

class Piece(_message.Message):
    __slots__ = ["data", "handover", "name"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    HANDOVER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    handover: str
    name: str
    def __init__(self, handover: _Optional[str] = ..., name: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class Prepared(_message.Message):
    __slots__ = ["error", "handover"]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    HANDOVER_FIELD_NUMBER: _ClassVar[int]
    error: _containers.RepeatedScalarFieldContainer[str]
    handover: str
    def __init__(self, handover: _Optional[str] = ..., error: _Optional[_Iterable[str]] = ...) -> None: ...

class Standing(_message.Message):
    __slots__ = ["handover"]
    HANDOVER_FIELD_NUMBER: _ClassVar[int]
    handover: str
    def __init__(self, handover: _Optional[str] = ...) -> None: ...
