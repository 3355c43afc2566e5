"""What a plugin says of itself (`sr_get_driver_info`), as an SM record."""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.core.storage import Capability, ConfigKey, DriverInfo
from xenhost.sm.smapiv1.failures import printable
from xenhost.system.xmlrpc import Value

IMPLIED: Final = (
    Capability.SR_CREATE,
    Capability.SR_DELETE,
    Capability.SR_ATTACH,
    Capability.SR_DETACH,
    Capability.SR_SCAN,
)
"""Every SMAPIv1 driver takes these commands; most do not say so."""
_ATOMIC_PAUSE: Final = "ATOMIC_PAUSE"
_PAUSABLE: Final = (Capability.VDI_ACTIVATE, Capability.VDI_DEACTIVATE)
_MAX_ITEMS: Final = 200
_MAX_LENGTH: Final = 1024


class InfoError(Exception):
    """The plugin's description of itself cannot be used; the text says why."""


def parse(type_: str, filename: str, untrusted: Value) -> tuple[DriverInfo, tuple[str, ...]]:
    """Its SM record, and the capabilities it names that are not known. Raises InfoError."""
    if not isinstance(untrusted, Mapping):
        raise InfoError("sr_get_driver_info must answer with a struct")
    capabilities, unknown = _capabilities(_items(untrusted, "capabilities"))
    info = DriverInfo(
        type=type_,
        name=_text(untrusted, "name"),
        description=_text(untrusted, "description"),
        vendor=_text(untrusted, "vendor"),
        copyright=_text(untrusted, "copyright"),
        version=_text(untrusted, "driver_version"),
        required_api_version=_text(untrusted, "required_api_version"),
        capabilities=capabilities,
        configuration=tuple(_config_key(item) for item in _items(untrusted, "configuration")),
        image_formats=tuple(_string(item) for item in _items(untrusted, "supported_image_formats", optional=True)),
        filename=filename,
    )
    return info, unknown


def _capabilities(untrusted: Sequence[Value]) -> tuple[Mapping[Capability, int], tuple[str, ...]]:
    known: dict[Capability, int] = dict.fromkeys(IMPLIED, 1)
    unknown = []
    for item in untrusted:
        name, _, version = _string(item).partition("/")
        if name == _ATOMIC_PAUSE:
            known.update(dict.fromkeys(_PAUSABLE, 1))
        elif name not in Capability.__members__ or not (version.isdecimal() or not version):
            unknown.append(_string(item))
        else:
            known[Capability(name)] = max(int(version or "1"), known.get(Capability(name), 0))
    return known, tuple(unknown)


def _config_key(untrusted: Value) -> ConfigKey:
    if not isinstance(untrusted, Mapping):
        raise InfoError("each item of configuration must be a struct of key and description")
    name, description = _text(untrusted, "key"), _text(untrusted, "description")
    secret = any(word in name.lower() for word in ("password", "passwd", "secret"))
    return ConfigKey(name, description, required="(required)" in description, secret=secret)


def _items(untrusted: Mapping[str, Value], key: str, optional: bool = False) -> Sequence[Value]:
    value = untrusted.get(key, [] if optional else None)
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > _MAX_ITEMS:
        raise InfoError(f"{key} must be an array of at most {_MAX_ITEMS} items")
    return value


def _text(untrusted: Mapping[str, Value], key: str) -> str:
    if key not in untrusted:
        raise InfoError(f"{key} is missing")
    return _string(untrusted[key])


def _string(untrusted: Value) -> str:
    if not isinstance(untrusted, str) or len(untrusted) > _MAX_LENGTH:
        raise InfoError(f"a text of at most {_MAX_LENGTH} characters was expected")
    return printable(untrusted)
