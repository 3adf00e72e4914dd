"""The file tables of a fleet: taken once, kept compactly, asked without a registry."""
