"""The part of the XenServer Management API that SMAPIv1 plugins call back: records, and a server on a unix socket."""
