"""Steps: one frozen dataclass with one effect each, journaled as kind and fields.

base      what most steps share      guest   asking and waiting for guests, and for time
domain    a domain's life            vbd, vif   its devices
vdi       what backs its VBDs
suspend, image   its memory in a file or VDI
registry  kind -> class, to read them back
"""
