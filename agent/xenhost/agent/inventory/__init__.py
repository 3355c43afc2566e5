"""What the agent knows now: VMs (specification and observation), names, and memory promised to starts."""
