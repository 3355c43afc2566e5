"""Promises of SMAPIv3 alone: records, keys, failures, datapaths. Each function is one; its name says it."""

import base64
from collections.abc import Callable
from typing import Any, Final

from xenhost.sm.sdk.conformance.place import Broken, Failure, NotOffered
from xenhost.sm.sdk.conformance.promises import BLOCK, SIZE, check, destroyed, put, volume
from xenhost.sm.sdk.conformance.scripts import ScriptPlace

ScriptPromise = Callable[[ScriptPlace], None]
_WORDS: Final = """
SR_CREATE SR_DELETE SR_ATTACH SR_DETACH SR_SCAN SR_PROBE SR_UPDATE SR_SUPPORTS_LOCAL_CACHING SR_METADATA SR_TRIM
SR_MULTIPATH SR_CACHING SR_STATS VDI_CREATE VDI_DELETE VDI_DESTROY VDI_ATTACH VDI_DETACH VDI_MIRROR VDI_MIRROR_IN
VDI_RESIZE VDI_RESIZE_ONLINE VDI_CLONE VDI_SNAPSHOT VDI_ACTIVATE VDI_ACTIVATE_READONLY VDI_DEACTIVATE VDI_UPDATE
VDI_INTRODUCE VDI_GENERATE_CONFIG VDI_ATTACH_OFFLINE VDI_RESET_ON_BOOT VDI_CONFIG_CBT VDI_COMPOSE VDI_COPY
LARGE_VDI THIN_PROVISIONING VDI_READ_CACHING VDI_REVERT NONPERSISTENT
"""
_REQUIRED: Final = ("SR.attach", "SR.detach", "SR.ls", "SR.stat", "Volume.stat")


def the_query_is_complete_and_of_a_known_version(place: ScriptPlace) -> None:
    for plugin in (place.plugin, *place.datapaths.values()):
        query = plugin.call("Plugin.Query")
        for name in ("plugin", "name", "description", "vendor", "copyright", "version"):
            check(isinstance(query.get(name), str), f"{plugin.folder.name}: {name} must be a text")
        version = query.get("required_api_version")
        check(version in ("5.0", "3.0"), f"{plugin.folder.name}: required_api_version is {version!r}; 5.0 is right")
        check(isinstance(query.get("configuration"), dict), f"{plugin.folder.name}: configuration must be a struct")
        unknown = {str(feature).partition("/")[0] for feature in query.get("features", [])} - set(_WORDS.split())
        check(not unknown, f"{plugin.folder.name}: hosts do not know the features {', '.join(sorted(unknown))}")


def what_every_host_calls_is_there(place: ScriptPlace) -> None:
    missing = [method for method in _REQUIRED if not place.plugin.has(method)]
    check(not missing, f"there is no {', '.join(missing)}")
    for plugin in place.datapaths.values():
        for method in ("attach", "activate", "deactivate", "detach"):
            check(plugin.has(f"Datapath.{method}"), f"{plugin.folder.name}: there is no Datapath.{method}")


def arguments_it_does_not_know_are_ignored(place: ScriptPlace) -> None:
    place.plugin.call("SR.stat", sr=place.handle, from_a_newer_host=True)


def the_sr_record_names_the_sr(place: ScriptPlace) -> None:
    answer = place.plugin.call("SR.stat", sr=place.handle)
    check(answer.get("sr") == place.handle, "sr must be what SR.attach answered")
    check(answer.get("uuid") in (None, place.uuid), f"uuid must be that of SR.create, not {answer.get('uuid')!r}")
    health = answer.get("health")
    words = ("Healthy", "Recovering", "Unreachable", "Unavailable")
    check(isinstance(health, list) and health[0] in words, f'health must be like ["Healthy", ""], not {health!r}')


def a_probe_finds_the_sr_and_changes_nothing(place: ScriptPlace) -> None:
    place.needs("SR_PROBE")
    given = {key: value for key, value in place.configuration.items() if key != "sr_uuid"}
    found = place.plugin.call("SR.probe", configuration=given)
    check(isinstance(found, list), "SR.probe must answer with a list")
    for each in found:
        check(isinstance(each.get("complete"), bool), "complete must be true or false")
        named = "sr_uuid" in each.get("configuration", {})
        check(each["complete"] or not named, "a configuration with sr_uuid cannot be incomplete")
        check(not each.get("sr") or named, "a configuration of an SR must hold its sr_uuid")
    uuids = [each["configuration"].get("sr_uuid") for each in found if each["complete"]]
    check(place.uuid in uuids, f"the SR {place.uuid} is not among what was found: {uuids}")


def keys_are_kept_with_a_volume(place: ScriptPlace) -> None:
    place.needs("KEYS")
    with volume(place) as made:
        for value in ("one", "größer\n"):
            place.volume("Volume.set", key=made.key, k="conformance", v=value)
        place.volume("Volume.set", key=made.key, k="other", v="")
        keys = place.volume("Volume.stat", key=made.key)["keys"]
        check(keys == {"conformance": "größer\n", "other": ""}, f"the keys are {keys}")
        for _ in range(2):
            place.volume("Volume.unset", key=made.key, k="conformance")
        keys = place.volume("Volume.stat", key=made.key)["keys"]
        check(keys == {"other": ""}, f"after Volume.unset the keys are {keys}")


def every_method_reports_a_missing_volume(place: ScriptPlace) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "Volume.snapshot": {},
        "Volume.clone": {},
        "Volume.set_name": {"new_name": "x"},
        "Volume.set_description": {"new_description": "x"},
        "Volume.set": {"k": "x", "v": "x"},
        "Volume.unset": {"k": "x"},
    }
    for method, more in arguments.items():
        try:
            place.volume(method, key="3b0c7a11-dead-4bad-8bad-000000000000", **more)
        except NotOffered:
            continue
        except Failure as failure:
            check(failure.code == "Volume_does_not_exist", f"{method}: Volume_does_not_exist, not {failure.code}")
        else:
            check(False, f"{method} of a volume that is not there must fail")


def keys_with_slashes_and_dots_lead_nowhere(place: ScriptPlace) -> None:
    for key in ("../../../etc/passwd", "/etc/passwd", "..", "", "a" * 300):
        try:
            place.volume("Volume.stat", key=key)
        except (Failure, Broken) as error:
            check(isinstance(error, Failure), f"the key {key[:30]!r}: {error}")
        else:
            check(False, f"the key {key[:30]!r} must not name a volume")


def a_datapath_is_ended_twice_without_harm(place: ScriptPlace) -> None:
    with volume(place) as made:
        plugin, uri = place.datapath(made.key)
        with place.active(made.key):
            pass
        for method in ("Datapath.deactivate", "Datapath.detach"):
            plugin.call(method, uri=uri, domain="u0_conformance")


def changed_blocks_name_what_was_written(place: ScriptPlace) -> None:
    place.needs("VDI_CONFIG_CBT", "VDI_SNAPSHOT")
    with volume(place) as made:
        place.volume("Volume.enable_cbt", key=made.key)
        check(place.volume("Volume.stat", key=made.key).get("cbt_enabled") is True, "cbt_enabled is not true")
        with destroyed(place, place.snapshot(made.key)) as old:
            put(place, made.key, {3 * BLOCK: b"n" * BLOCK})
            answer = place.volume("Volume.list_changed_blocks", key=old.key, key2=made.key, offset=0, length=-1)
            bits, grain = base64.b64decode(answer["bitmap"]), answer["granularity"]
            check(len(bits) * 8 * grain >= SIZE, "the bitmap does not cover the volume")
            block = 3 * BLOCK // grain
            check(bool(bits[block >> 3] & 0x80 >> (block & 7)), "the block that was written is not marked")


PROMISES: Final[tuple[ScriptPromise, ...]] = (
    the_query_is_complete_and_of_a_known_version,
    what_every_host_calls_is_there,
    arguments_it_does_not_know_are_ignored,
    the_sr_record_names_the_sr,
    a_probe_finds_the_sr_and_changes_nothing,
    keys_are_kept_with_a_volume,
    every_method_reports_a_missing_volume,
    keys_with_slashes_and_dots_lead_nowhere,
    a_datapath_is_ended_twice_without_harm,
    changed_blocks_name_what_was_written,
)
