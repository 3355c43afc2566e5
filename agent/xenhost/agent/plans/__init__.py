"""Plans: pure functions from a request, the specification and what was observed to a `core.steps.Plan`.

planner   request -> plan             vm_start, vm_stop   the parts that several plans share
devices   plug, unplug, insert, eject after_stop          what a guest that stopped by itself gets
"""
