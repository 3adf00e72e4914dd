"""Misconfiguration: what the image's config, its file tree and a few small files say against it."""
