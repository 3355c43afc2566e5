"""Datapaths: from images and volumes to what a guest can be connected to."""
