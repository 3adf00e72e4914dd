"""Shipped for tests, demos and other packages: fake registries, image builders, strategies."""
