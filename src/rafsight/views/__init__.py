"""An image as a filesystem."""
