from google.longrunning import operations_pb2 as _operations_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateVlanRequest(_message.Message):
    __slots__ = ["network_id", "request_id", "tag", "tagged_pif_id", "untagged_pif_id"]
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TAGGED_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    UNTAGGED_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    network_id: str
    request_id: str
    tag: int
    tagged_pif_id: str
    untagged_pif_id: str
    def __init__(self, untagged_pif_id: _Optional[str] = ..., tagged_pif_id: _Optional[str] = ..., tag: _Optional[int] = ..., network_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyVlanRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetVlanRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListVlansRequest(_message.Message):
    __slots__ = ["page_size", "page_token"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListVlansResponse(_message.Message):
    __slots__ = ["next_page_token", "vlans"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VLANS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    vlans: _containers.RepeatedCompositeFieldContainer[_network_pb2.Vlan]
    def __init__(self, vlans: _Optional[_Iterable[_Union[_network_pb2.Vlan, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
