"""The demo: what it shows (story), how it looks (stage), the daemon it drives, and the guest it boots."""
