"""The base classes of plugins: override what yours can do."""

import logging
from collections.abc import Mapping, Sequence

from xenhost.sm.sdk.errors import Unimplemented
from xenhost.sm.sdk.types import ChangedBlocks, Implementation, PluginInfo, ProbeResult, SrStat, Volume


class Plugin:
    """What volume and datapath plugins have in common."""

    info: PluginInfo
    log: logging.Logger
    """Goes to standard error, which the host keeps. Standard output is the answer: a `print` goes to the log, too."""
    dbg: str = ""
    """What the caller wants to see in logs."""

    def diagnostics(self) -> str:
        """Anything that helps to find out what is wrong."""
        raise Unimplemented("Plugin.diagnostics")


class VolumePlugin(Plugin):
    """A type of SR. `sr` is what sr_attach answered, `key` is a volume's.

    Each call is a process of its own, so nothing can be kept in memory. A call may be repeated, and calls about
    different volumes run at the same time.
    """

    def sr_probe(self, configuration: Mapping[str, str]) -> Sequence[ProbeResult]:
        """The SRs, or the next choices, that a (partial) configuration leads to. Changes nothing."""
        raise Unimplemented("SR.probe")

    def sr_create(self, uuid: str, configuration: Mapping[str, str], name: str, description: str) -> Mapping[str, str]:
        """Make an empty SR; never on top of something else. Answers with the configuration that sr_attach will get."""
        raise Unimplemented("SR.create")

    def sr_attach(self, configuration: Mapping[str, str]) -> str:
        """Make it usable on this host, and say what it is to be called from now on (for instance, a mount point)."""
        raise Unimplemented("SR.attach")

    def sr_detach(self, sr: str) -> None:
        """The opposite. Also if it is not attached any more."""
        raise Unimplemented("SR.detach")

    def sr_destroy(self, sr: str) -> None:
        """Delete it, and detach it."""
        raise Unimplemented("SR.destroy")

    def sr_stat(self, sr: str) -> SrStat:
        """Space and health. A server that does not answer is a health, not an error."""
        raise Unimplemented("SR.stat")

    def sr_set_name(self, sr: str, new_name: str) -> None:
        """Store its name."""
        raise Unimplemented("SR.set_name")

    def sr_set_description(self, sr: str, new_description: str) -> None:
        """Store its description."""
        raise Unimplemented("SR.set_description")

    def sr_ls(self, sr: str) -> Sequence[Volume]:
        """All volumes. If that is not certain, fail: what is missing here is forgotten."""
        raise Unimplemented("SR.ls")

    def volume_create(self, sr: str, name: str, description: str, size: int, sharable: bool) -> Volume:
        """Make a volume of zeros, at least that large."""
        raise Unimplemented("Volume.create")

    def volume_snapshot(self, sr: str, key: str) -> Volume:
        """A read-only copy of this instant, also while it is written to."""
        raise Unimplemented("Volume.snapshot")

    def volume_clone(self, sr: str, key: str) -> Volume:
        """A writable copy of this instant."""
        raise Unimplemented("Volume.clone")

    def volume_destroy(self, sr: str, key: str) -> None:
        """Delete it."""
        raise Unimplemented("Volume.destroy")

    def volume_revert(self, sr: str, snapshot: str, key: str) -> None:
        """Give a volume the content of its snapshot again. Declare VDI_REVERT."""
        raise Unimplemented("Volume.revert")

    def volume_set_name(self, sr: str, key: str, new_name: str) -> None:
        """Store its name."""
        raise Unimplemented("Volume.set_name")

    def volume_set_description(self, sr: str, key: str, new_description: str) -> None:
        """Store its description."""
        raise Unimplemented("Volume.set_description")

    def volume_set(self, sr: str, key: str, k: str, v: str) -> None:
        """Store a key and its value with the volume. A snapshot or clone need not have them."""
        raise Unimplemented("Volume.set")

    def volume_unset(self, sr: str, key: str, k: str) -> None:
        """Remove a key; also if it is not there."""
        raise Unimplemented("Volume.unset")

    def volume_resize(self, sr: str, key: str, new_size: int) -> None:
        """Make it larger. Declare VDI_RESIZE_ONLINE if that works while it is active."""
        raise Unimplemented("Volume.resize")

    def volume_stat(self, sr: str, key: str) -> Volume:
        """One volume."""
        raise Unimplemented("Volume.stat")

    def volume_enable_cbt(self, sr: str, key: str) -> None:
        """Remember from now on which blocks change. Declare VDI_CONFIG_CBT."""
        raise Unimplemented("Volume.enable_cbt")

    def volume_disable_cbt(self, sr: str, key: str) -> None:
        """Forget it."""
        raise Unimplemented("Volume.disable_cbt")

    def volume_data_destroy(self, sr: str, key: str) -> None:
        """Free the data of a snapshot, keep what changed since: it becomes a CBT_Metadata volume."""
        raise Unimplemented("Volume.data_destroy")

    def volume_list_changed_blocks(self, sr: str, key: str, key2: str, offset: int, length: int) -> ChangedBlocks:
        """What changed between `key` and the newer `key2`; a length of -1 is all."""
        raise Unimplemented("Volume.list_changed_blocks")

    def volume_compose(self, sr: str, key: str, key2: str) -> None:
        """Lay the volume `key` over `key2`, which is not used by itself any more. Declare VDI_COMPOSE."""
        raise Unimplemented("Volume.compose")


class DatapathPlugin(Plugin):
    """Ways to the bytes behind the URIs of one scheme. `domain` names who uses it; each may do so once."""

    def open(self, uri: str, persistent: bool) -> None:
        """Called first, if the plugin declares NONPERSISTENT: what is written is to be kept, or thrown away."""
        raise Unimplemented("Datapath.open")

    def attach(self, uri: str, domain: str) -> Sequence[Implementation]:
        """Prepare. Answers with the ways there will be, best first; they work once it is activated."""
        raise Unimplemented("Datapath.attach")

    def activate(self, uri: str, domain: str) -> None:
        """Make it usable, to read and write."""
        raise Unimplemented("Datapath.activate")

    def activate_readonly(self, uri: str, domain: str) -> None:
        """Make it usable, to read only."""
        raise Unimplemented("Datapath.activate_readonly")

    def deactivate(self, uri: str, domain: str) -> None:
        """Flush and stop. Also if it is not active."""
        raise Unimplemented("Datapath.deactivate")

    def detach(self, uri: str, domain: str) -> None:
        """The opposite of attach. Also if it is not attached."""
        raise Unimplemented("Datapath.detach")

    def close(self, uri: str) -> None:
        """The opposite of open."""
        raise Unimplemented("Datapath.close")
