from google.longrunning import operations_pb2 as _operations_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ForgetSdnControllerRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetSdnControllerRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class IntroduceSdnControllerRequest(_message.Message):
    __slots__ = ["address", "id", "port", "protocol", "request_id"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    address: str
    id: str
    port: int
    protocol: _network_pb2.SdnProtocol
    request_id: str
    def __init__(self, id: _Optional[str] = ..., protocol: _Optional[_Union[_network_pb2.SdnProtocol, str]] = ..., address: _Optional[str] = ..., port: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListSdnControllersRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListSdnControllersResponse(_message.Message):
    __slots__ = ["controllers"]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    controllers: _containers.RepeatedCompositeFieldContainer[_network_pb2.SdnController]
    def __init__(self, controllers: _Optional[_Iterable[_Union[_network_pb2.SdnController, _Mapping]]] = ...) -> None: ...
