"""Drivers: what fulfils the ports of `xenhost.core.ports`. `registry` is the only list of them."""
