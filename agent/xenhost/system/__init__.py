"""Building blocks of a host that know neither Xen nor storage: processes that outlive the agent, QMP."""
