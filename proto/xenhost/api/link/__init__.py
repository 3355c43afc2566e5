"""Generated; see the .proto files."""
