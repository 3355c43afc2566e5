from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ForgetPifRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetPifRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class IntroducePifRequest(_message.Message):
    __slots__ = ["device", "id", "mac", "managed", "network_id", "request_id"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    MANAGED_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    device: str
    id: str
    mac: str
    managed: bool
    network_id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., mac: _Optional[str] = ..., device: _Optional[str] = ..., network_id: _Optional[str] = ..., managed: bool = ..., request_id: _Optional[str] = ...) -> None: ...

class ListPifsRequest(_message.Message):
    __slots__ = ["page_size", "page_token"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPifsResponse(_message.Message):
    __slots__ = ["next_page_token", "pifs"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PIFS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    pifs: _containers.RepeatedCompositeFieldContainer[_network_pb2.Pif]
    def __init__(self, pifs: _Optional[_Iterable[_Union[_network_pb2.Pif, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PlugPifRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ReconfigureIpRequest(_message.Message):
    __slots__ = ["id", "ipv4", "ipv6", "primary_address_type", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    IPV4_FIELD_NUMBER: _ClassVar[int]
    IPV6_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_ADDRESS_TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    ipv4: _network_pb2.Ipv4Config
    ipv6: _network_pb2.Ipv6Config
    primary_address_type: _network_pb2.AddressFamily
    request_id: str
    def __init__(self, id: _Optional[str] = ..., ipv4: _Optional[_Union[_network_pb2.Ipv4Config, _Mapping]] = ..., ipv6: _Optional[_Union[_network_pb2.Ipv6Config, _Mapping]] = ..., primary_address_type: _Optional[_Union[_network_pb2.AddressFamily, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ScanPifsRequest(_message.Message):
    __slots__ = ["request_id"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class UnplugPifRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdatePifRequest(_message.Message):
    __slots__ = ["pif", "request_id", "update_mask"]
    PIF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    pif: _network_pb2.Pif
    request_id: str
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, pif: _Optional[_Union[_network_pb2.Pif, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
