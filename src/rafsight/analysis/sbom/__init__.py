"""Bills of materials that lie in an image: what others say is in it."""
