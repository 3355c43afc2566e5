"""The device half of the Xen driver: VBDs and VIFs, plugged in the process without hotplug scripts.

plugs    what the driver calls: plug, unplug, change of medium, removal of everything of a domain
vbd, vif the two classes            nodes    what goes into xenstore for a device (pure)
wiring   steps both classes share   records  our private record of a device (pure)
xenbus   states and waiting         kernel   knowing when dom0's kernel has handled what was written
medium   opening what backs a VBD   loop     loop devices            uevents  what the kernel tells about devices
"""
