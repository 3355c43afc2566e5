from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CHANGE_KIND_ADDED: ChangeKind
CHANGE_KIND_DELETED: ChangeKind
CHANGE_KIND_MODIFIED: ChangeKind
CHANGE_KIND_UNSPECIFIED: ChangeKind
DESCRIPTOR: _descriptor.FileDescriptor
OBJECT_KIND_BOND: ObjectKind
OBJECT_KIND_DOMAIN: ObjectKind
OBJECT_KIND_HOST: ObjectKind
OBJECT_KIND_MESSAGE: ObjectKind
OBJECT_KIND_NETWORK: ObjectKind
OBJECT_KIND_NETWORK_SRIOV: ObjectKind
OBJECT_KIND_OPERATION: ObjectKind
OBJECT_KIND_PIF: ObjectKind
OBJECT_KIND_SM: ObjectKind
OBJECT_KIND_SR: ObjectKind
OBJECT_KIND_TUNNEL: ObjectKind
OBJECT_KIND_UNSPECIFIED: ObjectKind
OBJECT_KIND_VDI: ObjectKind
OBJECT_KIND_VLAN: ObjectKind
OBJECT_KIND_VM: ObjectKind
OBJECT_KIND_VM_GUEST_METRICS: ObjectKind

class Event(_message.Message):
    __slots__ = ["change", "id", "kind", "revision"]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    change: ChangeKind
    id: str
    kind: ObjectKind
    revision: int
    def __init__(self, kind: _Optional[_Union[ObjectKind, str]] = ..., id: _Optional[str] = ..., change: _Optional[_Union[ChangeKind, str]] = ..., revision: _Optional[int] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ["kinds", "resume_token"]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[ObjectKind]
    resume_token: str
    def __init__(self, resume_token: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[ObjectKind, str]]] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ["checkpoint", "events", "resume_token"]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bool
    events: _containers.RepeatedCompositeFieldContainer[Event]
    resume_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., resume_token: _Optional[str] = ..., checkpoint: bool = ...) -> None: ...

class ObjectKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
