"""The network of a simulated host: a second implementation of the network ports, without a kernel.

world    cards, bridges, addresses, VIFs; outlives the drivers, as a kernel does    store    the world on disk
switch, addresses, nics    the ports
"""
