"""For authors of storage plugins: SMAPIv3 plugins in one small file, and a suite that checks any plugin.

    #!/usr/bin/env python3
    from xenhost.sm.sdk import PluginInfo, SrStat, Volume, VolumePlugin, main

    class Mine(VolumePlugin):
        info = PluginInfo(plugin="mine", name="My storage")

        def sr_attach(self, configuration): ...
        def sr_ls(self, sr): ...

    if __name__ == "__main__":
        main(Mine())

`./mine.py --install` makes the links that hosts look for. `python3 -m xenhost.sm.sdk.conformance FOLDER` checks the
plugin. It all needs nothing but Python's standard library.
"""

from xenhost.sm.sdk.dispatch import main
from xenhost.sm.sdk.errors import (
    ActivatedOnAnotherHost,
    BackendFailure,
    Cancelled,
    PluginError,
    SrDoesNotExist,
    SrNotAttached,
    Unimplemented,
    VolumeDoesNotExist,
)
from xenhost.sm.sdk.plugins import DatapathPlugin, VolumePlugin
from xenhost.sm.sdk.types import (
    BlockDevice,
    ChangedBlocks,
    File,
    Nbd,
    PluginInfo,
    ProbeResult,
    SrStat,
    Volume,
    XenDisk,
)

__all__ = [
    "ActivatedOnAnotherHost",
    "BackendFailure",
    "BlockDevice",
    "Cancelled",
    "ChangedBlocks",
    "DatapathPlugin",
    "File",
    "Nbd",
    "PluginError",
    "PluginInfo",
    "ProbeResult",
    "SrDoesNotExist",
    "SrNotAttached",
    "SrStat",
    "Unimplemented",
    "Volume",
    "VolumeDoesNotExist",
    "VolumePlugin",
    "XenDisk",
    "main",
]
