"""Messages of this host: kept until they are deleted or too old, on disk, and told to whoever watches."""
