"""The order of version numbers, one scheme a file."""
