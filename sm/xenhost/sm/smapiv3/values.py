"""What scripts answer, read: typed, bounded, nothing taken on trust."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.core.storage import Health
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.smapiv3.failures import bad_answer
from xenhost.sm.smapiv3.plugin import Json

MAX_KEY: Final = 4096
MAX_LABEL: Final = 65536
MAX_SIZE: Final = 1 << 60
_MAX_LIST: Final = 4096
_MAX_VOLUMES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume record."""

    key: str
    uuid: str
    name: str
    description: str
    read_write: bool
    sharable: bool
    virtual_size: int
    physical_utilisation: int
    uris: tuple[str, ...]
    keys: Mapping[str, str]
    cbt_metadata: bool
    """Its data is destroyed."""
    cbt_enabled: bool


@dataclass(frozen=True, slots=True)
class BadVolume:
    """A record that cannot be used."""

    key: str
    """Empty if not even that is right."""
    problem: str


@dataclass(frozen=True, slots=True)
class SrRecord:
    """What SR.stat answers."""

    uuid: str
    name: str
    description: str
    free_space: int
    total_space: int
    health: Health
    problem: str


@dataclass(frozen=True, slots=True)
class Query:
    """What Plugin.Query answers."""

    plugin: str
    name: str
    description: str
    vendor: str
    copyright: str
    version: str
    required_api_version: str
    features: tuple[str, ...]
    configuration: Mapping[str, str]
    required_cluster_stack: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of SR.probe."""

    configuration: Mapping[str, str]
    complete: bool
    sr: SrRecord | None
    extra: Mapping[str, str]


class Reader:
    """Reads one answer; a wrong one raises SrBackendFailure that names the method and the field."""

    def __init__(self, method: str) -> None:
        self._method = method

    def fields(self, untrusted: Json) -> Mapping[str, Json]:
        """A struct."""
        if not isinstance(untrusted, dict):
            raise bad_answer(self._method, "a struct is right")
        return untrusted

    def items(self, untrusted: Json, most: int = _MAX_LIST) -> Sequence[Json]:
        """A list."""
        if not isinstance(untrusted, list) or len(untrusted) > most:
            raise bad_answer(self._method, f"a list of at most {most} is right")
        return untrusted

    def text(self, fields: Mapping[str, Json], name: str, most: int = MAX_LABEL, default: str | None = None) -> str:
        """A text without NUL; absent or null is the default, if there is one."""
        value = fields.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or len(value) > most or "\0" in value:
            raise bad_answer(self._method, f"{name}: a text of at most {most} characters is right")
        return value

    def size(self, fields: Mapping[str, Json], name: str) -> int:
        """Bytes; plugins of old write them as text."""
        value = fields.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SIZE:
            raise bad_answer(self._method, f"{name}: a number of bytes is right")
        return value

    def flag(self, fields: Mapping[str, Json], name: str, default: bool | None = None) -> bool:
        """True or false."""
        value = fields.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, bool):
            raise bad_answer(self._method, f"{name}: true or false is right")
        return value

    def texts(self, fields: Mapping[str, Json], name: str) -> Mapping[str, str]:
        """A struct of texts; numbers and flags are taken as their text. Pairs in a list are taken, too."""
        value = fields.get(name)
        if isinstance(value, list):
            pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]  # rpc-light's form
            value = {key: each for key, each in pairs if isinstance(key, str)}
        if value is None:
            return {}
        if not isinstance(value, dict) or len(value) > _MAX_LIST:
            raise bad_answer(self._method, f"{name}: a struct of texts is right")
        return {_short(key): _short(each) for key, each in value.items() if isinstance(each, str | int | float)}

    def volume(self, untrusted: Json) -> Volume:
        """A volume record."""
        fields = self.fields(untrusted)
        key = self.text(fields, "key", MAX_KEY)
        if not key:
            raise bad_answer(self._method, "key: it must not be empty")
        uris = self.items(fields.get("uri") or [])
        return Volume(
            key=key,
            uuid=self.text(fields, "uuid", 64, default=""),
            name=self.text(fields, "name", default=""),
            description=self.text(fields, "description", default=""),
            read_write=self.flag(fields, "read_write", default=True),
            sharable=self.flag(fields, "sharable", default=False),
            virtual_size=self.size(fields, "virtual_size"),
            physical_utilisation=self.size(fields, "physical_utilisation"),
            uris=tuple(uri for uri in uris if isinstance(uri, str) and 0 < len(uri) <= MAX_KEY and uri.isprintable()),
            keys=self.texts(fields, "keys"),
            cbt_metadata=_variant(fields.get("volume_type")) == "CBT_Metadata",
            cbt_enabled=self.flag(fields, "cbt_enabled", default=False),
        )

    def volumes(self, untrusted: Json) -> list[Volume | BadVolume]:
        """All of an SR; one that is wrong spoils only itself."""
        found: list[Volume | BadVolume] = []
        for each in self.items(untrusted, _MAX_VOLUMES):
            try:
                found.append(self.volume(each))
            except SrBackendFailure as error:
                key = each.get("key") if isinstance(each, dict) else None
                found.append(BadVolume(key if isinstance(key, str) and len(key) <= MAX_KEY else "", str(error)))
        return found

    def sr(self, untrusted: Json) -> SrRecord:
        """An SR record."""
        fields = self.fields(untrusted)
        health = fields.get("health")
        words = health if isinstance(health, list) and health else [health, ""]
        word = words[0] if isinstance(words[0], str) else "Healthy"
        try:
            state = Health(word.lower())
        except ValueError:
            raise bad_answer(self._method, f"health: {', '.join(Health)} are known") from None
        why = words[1] if len(words) > 1 and isinstance(words[1], str) else ""
        return SrRecord(
            uuid=self.text(fields, "uuid", 64, default=""),
            name=self.text(fields, "name", default=""),
            description=self.text(fields, "description", default=""),
            free_space=self.size(fields, "free_space"),
            total_space=self.size(fields, "total_space"),
            health=state,
            problem=_short(why) if state is not Health.HEALTHY else "",
        )

    def query(self, untrusted: Json) -> Query:
        """What a plugin says of itself."""
        fields = self.fields(untrusted)
        features = self.items(fields.get("features") or [])
        stacks = self.items(fields.get("required_cluster_stack") or [])
        return Query(
            plugin=self.text(fields, "plugin", 64),
            name=self.text(fields, "name", 1024, default=""),
            description=self.text(fields, "description", 1024, default=""),
            vendor=self.text(fields, "vendor", 1024, default=""),
            copyright=self.text(fields, "copyright", 1024, default=""),
            version=self.text(fields, "version", 64, default=""),
            required_api_version=self.text(fields, "required_api_version", 16, default=""),
            features=tuple(str(feature)[:64] for feature in features),
            configuration=self.texts(fields, "configuration"),
            required_cluster_stack=tuple(str(stack)[:64] for stack in stacks),
        )

    def probe(self, untrusted: Json) -> list[Found]:
        """What a probe found."""
        found = []
        for each in self.items(untrusted):
            fields = self.fields(each)
            record = fields.get("sr")
            found.append(
                Found(
                    self.texts(fields, "configuration"),
                    self.flag(fields, "complete"),
                    self.sr(record) if record is not None else None,
                    self.texts(fields, "extra_info"),
                )
            )
        return found


def _variant(value: Json) -> str:
    """rpclib writes a variant without an argument as a text, and one with as a list."""
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else ""


def _short(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text[:MAX_LABEL].replace("\0", "")
