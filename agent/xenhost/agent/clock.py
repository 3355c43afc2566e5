"""The clock of the running process."""

from xenhost.system.clock import SystemClock as SystemClock
