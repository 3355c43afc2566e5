"""The networks of this host: what is wanted, and the engine that makes it so."""
