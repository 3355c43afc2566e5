"""An update_mask: which fields a call may change."""

from collections.abc import Mapping

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.core.errors import InvalidValue


def paths_of(mask: FieldMask, known: frozenset[str], method: str, elsewhere: Mapping[str, str]) -> frozenset[str]:
    """The paths it names; `elsewhere` says of others where they are changed. Raises InvalidValue."""
    right = ", ".join(sorted(known))
    if not mask.paths:
        raise InvalidValue(f"update_mask is empty; name the fields to change: {right}", field="update_mask", value="")
    for path in mask.paths:
        if path not in known:
            why = elsewhere.get(path.partition(".")[0], f"known: {right}")
            raise InvalidValue(
                f"{path!r:.100} cannot be changed by {method}; {why}", field="update_mask", value=path[:100]
            )
    return frozenset(mask.paths)
