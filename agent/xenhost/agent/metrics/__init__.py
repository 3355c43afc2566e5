"""Metrics: who is sampled, when, and who is told.

sampler       the thread that reads meters and plugins every five seconds      plugins/  their files, found and judged
metered       which VMs and SRs there are, from the engines' events            alerts/   limits, and what exceeds them
engine        all of it from start to stop, and what the edge asks             http/     /rrd_updates and its relatives
registration  the calls with which plugins announce themselves
"""
