"""Slim archives: an image as a docker archive that holds content only where a given scanner looks."""
