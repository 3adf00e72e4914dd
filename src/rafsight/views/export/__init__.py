"""Files of an image written out: a tar, or a folder of this machine."""
