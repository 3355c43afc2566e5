"""Storage: SR drivers, datapaths, image formats, and hosts for foreign plugins."""
