"""SRs that are directories of image files: their catalog, and the verbs of the `Sr` port on it."""
