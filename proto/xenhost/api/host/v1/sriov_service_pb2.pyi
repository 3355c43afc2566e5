from google.longrunning import operations_pb2 as _operations_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateNetworkSriovRequest(_message.Message):
    __slots__ = ["id", "logical_pif_id", "network_id", "physical_pif_id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    PHYSICAL_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    logical_pif_id: str
    network_id: str
    physical_pif_id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., logical_pif_id: _Optional[str] = ..., physical_pif_id: _Optional[str] = ..., network_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyNetworkSriovRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetNetworkSriovRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListNetworkSriovsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListNetworkSriovsResponse(_message.Message):
    __slots__ = ["sriovs"]
    SRIOVS_FIELD_NUMBER: _ClassVar[int]
    sriovs: _containers.RepeatedCompositeFieldContainer[_network_pb2.NetworkSriov]
    def __init__(self, sriovs: _Optional[_Iterable[_Union[_network_pb2.NetworkSriov, _Mapping]]] = ...) -> None: ...
