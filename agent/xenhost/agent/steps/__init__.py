"""Steps: one frozen dataclass with one effect each, journaled as kind and fields.

base      what most steps share      guest   asking and waiting for guests, and for time
domain    a domain's life            vbd, vif   its devices
vdi       what backs its VBDs
registry  kind -> class, to read them back
"""
