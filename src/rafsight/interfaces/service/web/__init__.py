"""The service's door: Harbor's scanner API, notifications of registries, an API for machines, metrics and health."""
