from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateTunnelRequest(_message.Message):
    __slots__ = ["access_pif_id", "id", "key", "network_id", "protocol", "remotes", "request_id", "transport_pif_id"]
    ACCESS_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    REMOTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    access_pif_id: str
    id: str
    key: int
    network_id: str
    protocol: _network_pb2.TunnelProtocol
    remotes: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    transport_pif_id: str
    def __init__(self, id: _Optional[str] = ..., access_pif_id: _Optional[str] = ..., transport_pif_id: _Optional[str] = ..., network_id: _Optional[str] = ..., protocol: _Optional[_Union[_network_pb2.TunnelProtocol, str]] = ..., remotes: _Optional[_Iterable[str]] = ..., key: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyTunnelRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetTunnelRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListTunnelsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListTunnelsResponse(_message.Message):
    __slots__ = ["tunnels"]
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    tunnels: _containers.RepeatedCompositeFieldContainer[_network_pb2.Tunnel]
    def __init__(self, tunnels: _Optional[_Iterable[_Union[_network_pb2.Tunnel, _Mapping]]] = ...) -> None: ...

class UpdateTunnelRequest(_message.Message):
    __slots__ = ["request_id", "tunnel", "update_mask"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TUNNEL_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    tunnel: _network_pb2.Tunnel
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, tunnel: _Optional[_Union[_network_pb2.Tunnel, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
