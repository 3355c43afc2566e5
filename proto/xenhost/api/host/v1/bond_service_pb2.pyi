from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from xenhost.api.host.v1 import network_pb2 as _network_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateBondRequest(_message.Message):
    __slots__ = ["id", "mac", "master_pif_id", "member_pif_ids", "mode", "network_id", "properties", "request_id"]
    class PropertiesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    MASTER_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_PIF_IDS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    mac: str
    master_pif_id: str
    member_pif_ids: _containers.RepeatedScalarFieldContainer[str]
    mode: _network_pb2.BondMode
    network_id: str
    properties: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, id: _Optional[str] = ..., master_pif_id: _Optional[str] = ..., network_id: _Optional[str] = ..., member_pif_ids: _Optional[_Iterable[str]] = ..., mac: _Optional[str] = ..., mode: _Optional[_Union[_network_pb2.BondMode, str]] = ..., properties: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DestroyBondRequest(_message.Message):
    __slots__ = ["id", "request_id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetBondRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListBondsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListBondsResponse(_message.Message):
    __slots__ = ["bonds"]
    BONDS_FIELD_NUMBER: _ClassVar[int]
    bonds: _containers.RepeatedCompositeFieldContainer[_network_pb2.Bond]
    def __init__(self, bonds: _Optional[_Iterable[_Union[_network_pb2.Bond, _Mapping]]] = ...) -> None: ...

class UpdateBondRequest(_message.Message):
    __slots__ = ["bond", "request_id", "update_mask"]
    BOND_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    bond: _network_pb2.Bond
    request_id: str
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, bond: _Optional[_Union[_network_pb2.Bond, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...
