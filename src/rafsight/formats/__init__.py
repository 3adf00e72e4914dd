"""Bytes to values and back. Pure: no I/O, no threads; imports only `base`."""
