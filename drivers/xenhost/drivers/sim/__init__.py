"""A simulated host: a complete second implementation of the hypervisor port, without Xen.

config    what the host is like, how fast its guests are    world     the host itself; outlives the driver, as Xen does
domain    one domain and its devices, as records            guest     what a test may make a guest do
faults    failures on demand, by port verb and nth call     store     the world on disk, for agents that get killed
console   serial consoles with a small scripted guest       screens   screens with a small RFB server (`screen`)
driver    the port
"""
