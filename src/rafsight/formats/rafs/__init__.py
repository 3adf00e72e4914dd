"""RAFS v5 and v6: the only folder that knows there are two."""
