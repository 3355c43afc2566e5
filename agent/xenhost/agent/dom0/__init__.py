"""Dom0 itself: its plugins, its clock and settings, its logs, and how it is switched off."""
