"""Whole packages inside an image: which files go, which come, and what the databases say afterwards."""
