"""The event hub: what changed, by reference and revision."""
