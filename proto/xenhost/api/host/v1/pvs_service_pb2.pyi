from google.longrunning import operations_pb2 as _operations_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreatePvsProxyRequest(_message.Message):
    __slots__ = ["id", "request_id", "site_id", "vif_index", "vm_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    VIF_INDEX_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    site_id: str
    vif_index: int
    vm_id: str
    def __init__(self, id: _Optional[str] = ..., site_id: _Optional[str] = ..., vm_id: _Optional[str] = ..., vif_index: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyPvsProxyRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ForgetPvsServerRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ForgetPvsSiteRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class IntroducePvsServerRequest(_message.Message):
    __slots__ = ["addresses", "first_port", "id", "last_port", "request_id", "site_id"]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    FIRST_PORT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LAST_PORT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    first_port: int
    id: str
    last_port: int
    request_id: str
    site_id: str
    def __init__(self, id: _Optional[str] = ..., site_id: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., first_port: _Optional[int] = ..., last_port: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class IntroducePvsSiteRequest(_message.Message):
    __slots__ = ["description", "id", "name", "pvs_uuid", "request_id"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PVS_UUID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    description: str
    id: str
    name: str
    pvs_uuid: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., pvs_uuid: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListPvsSitesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListPvsSitesResponse(_message.Message):
    __slots__ = ["sites"]
    SITES_FIELD_NUMBER: _ClassVar[int]
    sites: _containers.RepeatedCompositeFieldContainer[_network_pb2.PvsSite]
    def __init__(self, sites: _Optional[_Iterable[_Union[_network_pb2.PvsSite, _Mapping]]] = ...) -> None: ...
