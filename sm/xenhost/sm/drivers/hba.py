"""The older name of `rawhba`."""

from xenhost.sm.drivers.rawhba import RawHbaDriver


class HbaDriver(RawHbaDriver):
    """Type `hba`."""

    type = "hba"
