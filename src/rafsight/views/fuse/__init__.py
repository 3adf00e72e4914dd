"""File systems of our own over the kernel's FUSE device: backing files of blobs, and whole trees."""
