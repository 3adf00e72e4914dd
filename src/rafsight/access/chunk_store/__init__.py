"""Verified chunks on disk, in files that a kernel or a FUSE server can read; `store.py` is the front."""
