"""Programs: what they were built from, and what they are."""
