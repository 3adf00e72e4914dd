"""One question to many images."""
