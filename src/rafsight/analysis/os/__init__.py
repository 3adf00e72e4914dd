"""Operating systems: the release, and package databases."""
