"""Storage repositories, their drivers, and what a probe finds."""

import re
from collections.abc import Mapping
from typing import Final

from xenhost.agent.rpc.convert import bounds, derive
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.api.host.v1 import storage_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.storage import AttachMode, Chore, DriverInfo, Health, ProbeReport, SrSpec, SrStat
from xenhost.core.storage_errors import SrUnknownDriver
from xenhost.core.storage_views import DatapathView, SrView

HEALTH: Final = Choice(Health, storage_pb2.SrHealth.Value, "SR_HEALTH")
ATTACH_MODE: Final = Choice(AttachMode, storage_pb2.AttachMode.Value, "ATTACH_MODE")
HIDDEN: Final = "********"
"""What is shown instead of a secret."""
_UNKNOWN: Final = SrStat(0, 0, 0)
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SECRET: Final = re.compile(r"pass(word|wd|phrase)|secret|(?<![a-z])pass(?![a-z])", re.IGNORECASE)
"""Keys that hold secrets by their name, whatever the driver says: a plugin may say nothing."""


def sr_to_proto(view: SrView) -> storage_pb2.Sr:
    """An SR whole. The view has no secrets that its driver declares; what is one by its name is hidden here, too."""
    spec, stat = view.spec, view.stat or _UNKNOWN
    return storage_pb2.Sr(
        id=spec.id,
        type=spec.type,
        name=spec.name,
        description=spec.description,
        content_type=spec.content_type,
        shared=spec.shared,
        device_config=without_secrets(spec.device_config),
        sm_config=without_secrets(spec.sm_config),
        other_config=spec.other_config,
        status=storage_pb2.SrStatus(
            attached=view.attached,
            physical_size_bytes=stat.physical_size,
            physical_utilisation_bytes=stat.physical_utilisation,
            virtual_allocation_bytes=stat.virtual_allocation,
            health="SR_HEALTH_UNSPECIFIED" if view.stat is None else HEALTH.to_wire(stat.health),
            current_operations=view.current_operations,
            allowed_operations=view.allowed_operations,
            problem=view.problem or stat.problem,
            revision=view.revision,
            paths=[
                storage_pb2.LunPaths(scsi_id=each.scsi_id, current=each.current, maximum=each.maximum)
                for each in (stat.paths if view.attached else ())
            ],
            iscsi_sessions=stat.iscsi_sessions if view.attached else 0,
        ),
    )


def spec_from_proto(message: storage_pb2.Sr, size: int, request_id: str) -> SrSpec:
    """An SR to be made or recorded; `status` is ignored. Raises InvalidValue, SrUnknownDriver, UuidInvalid."""
    if not message.name:
        raise InvalidValue("sr.name is required", field="sr.name", value="")
    device_config = bounds.pairs(message.device_config, "sr.device_config")
    for key, value in device_config.items():
        if value == HIDDEN:
            raise InvalidValue(
                f"sr.device_config.{key} is {HIDDEN}, which is only shown in place of the value; give the value",
                field=f"sr.device_config.{key}",
                value=HIDDEN,
            )
    return SrSpec(
        id=bounds.sr_id(message.id) if message.id else derive.sr_id(request_id),
        type=sr_type(message.type),
        device_config=device_config,
        name=bounds.name(message.name, "sr.name"),
        description=bounds.text(message.description, "sr.description"),
        content_type=bounds.name(message.content_type, "sr.content_type"),
        shared=message.shared,
        sm_config=bounds.pairs(message.sm_config, "sr.sm_config"),
        other_config=bounds.pairs(message.other_config, "sr.other_config"),
        size=bounds.optional_size(size, "size_bytes"),
    )


def sr_type(untrusted_text: str) -> str:
    """A type of SR, in lower case. Raises SrUnknownDriver if it cannot be one."""
    text = untrusted_text.strip().lower()
    if not _TYPE.fullmatch(text):
        raise SrUnknownDriver(
            f"{untrusted_text!r:.80} is not a type of SR such as nfs; ListDrivers has them all",
            driver=untrusted_text[:80],
        )
    return text


def driver_to_proto(info: DriverInfo) -> storage_pb2.SmDriver:
    """A type of SR."""
    return storage_pb2.SmDriver(
        type=info.type,
        name=info.name,
        description=info.description,
        vendor=info.vendor,
        copyright=info.copyright,
        version=info.version,
        required_api_version=info.required_api_version,
        capabilities={capability.value: version for capability, version in info.capabilities.items()},
        configuration=[
            storage_pb2.ConfigKey(
                name=key.name, description=key.description, required=key.required, secret=_secret(key.name, info)
            )
            for key in info.configuration
        ],
        image_formats=info.image_formats,
        filename=info.filename,
        required_cluster_stack=info.required_cluster_stack,
    )


def probe_to_proto(report: ProbeReport, driver: DriverInfo) -> storage_pb2.ProbeResult:
    """What a probe found, without the secrets it was asked with."""
    return storage_pb2.ProbeResult(
        entries=[
            storage_pb2.ProbeEntry(
                configuration=without_secrets(entry.configuration, driver),
                complete=entry.complete,
                sr_id=entry.sr or "",
                name=entry.name,
                description=entry.description,
                size_bytes=entry.size,
                extra=entry.extra,
            )
            for entry in report.entries
        ],
        missing=report.missing,
        code=report.code,
        document=report.document,
    )


def chore_to_proto(chore: Chore) -> storage_pb2.Chore:
    """One thing to be done on an SR."""
    return storage_pb2.Chore(
        id=chore.id,
        kind=chore.kind,
        text=chore.text,
        reads_bytes=chore.reads,
        needs_bytes=chore.needs,
        vdi_id=chore.vdi or "",
    )


def datapath_to_proto(view: DatapathView) -> storage_pb2.Datapath:
    """One user of a VDI."""
    return storage_pb2.Datapath(
        name=view.datapath,
        sr_id=view.sr,
        vdi_id=view.vdi,
        mode=ATTACH_MODE.to_wire(view.mode),
        state=view.state,
        source=view.source,
    )


def without_secrets(config: Mapping[str, str], driver: DriverInfo | None = None) -> dict[str, str]:
    """A configuration as it may be shown."""
    return {key: HIDDEN if value and _secret(key, driver) else value for key, value in config.items()}


def _secret(key: str, driver: DriverInfo | None) -> bool:
    declared = driver is not None and any(each.name == key and each.secret for each in driver.configuration)
    return declared or _SECRET.search(key) is not None
