from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConfirmManagementRequest(_message.Message):
    __slots__ = ["request_id"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class CreateNetworkRequest(_message.Message):
    __slots__ = ["network", "request_id"]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    network: _network_pb2.Network
    request_id: str
    def __init__(self, network: _Optional[_Union[_network_pb2.Network, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyNetworkRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetHostNetworkRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetNetworkRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListNetworksRequest(_message.Message):
    __slots__ = ["page_size", "page_token"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNetworksResponse(_message.Message):
    __slots__ = ["networks", "next_page_token"]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    networks: _containers.RepeatedCompositeFieldContainer[_network_pb2.Network]
    next_page_token: str
    def __init__(self, networks: _Optional[_Iterable[_Union[_network_pb2.Network, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReconfigureManagementRequest(_message.Message):
    __slots__ = ["confirm_seconds", "ipv4", "ipv6", "pif_id", "request_id"]
    CONFIRM_SECONDS_FIELD_NUMBER: _ClassVar[int]
    IPV4_FIELD_NUMBER: _ClassVar[int]
    IPV6_FIELD_NUMBER: _ClassVar[int]
    PIF_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    confirm_seconds: int
    ipv4: _network_pb2.Ipv4Config
    ipv6: _network_pb2.Ipv6Config
    pif_id: str
    request_id: str
    def __init__(self, pif_id: _Optional[str] = ..., ipv4: _Optional[_Union[_network_pb2.Ipv4Config, _Mapping]] = ..., ipv6: _Optional[_Union[_network_pb2.Ipv6Config, _Mapping]] = ..., confirm_seconds: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ResetNetworkingRequest(_message.Message):
    __slots__ = ["device", "ipv4", "ipv6", "request_id", "vlan"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    IPV4_FIELD_NUMBER: _ClassVar[int]
    IPV6_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VLAN_FIELD_NUMBER: _ClassVar[int]
    device: str
    ipv4: _network_pb2.Ipv4Config
    ipv6: _network_pb2.Ipv6Config
    request_id: str
    vlan: int
    def __init__(self, device: _Optional[str] = ..., ipv4: _Optional[_Union[_network_pb2.Ipv4Config, _Mapping]] = ..., ipv6: _Optional[_Union[_network_pb2.Ipv6Config, _Mapping]] = ..., vlan: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetIgmpSnoopingRequest(_message.Message):
    __slots__ = ["enabled", "request_id"]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    request_id: str
    def __init__(self, enabled: bool = ..., request_id: _Optional[str] = ...) -> None: ...

class SetNetworkIdRequest(_message.Message):
    __slots__ = ["id", "new_id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    NEW_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    new_id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., new_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetSwitchRequest(_message.Message):
    __slots__ = ["request_id", "switch"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    switch: _network_pb2.SwitchKind
    def __init__(self, switch: _Optional[_Union[_network_pb2.SwitchKind, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateNetworkRequest(_message.Message):
    __slots__ = ["network", "request_id", "update_mask"]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    network: _network_pb2.Network
    request_id: str
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, network: _Optional[_Union[_network_pb2.Network, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
