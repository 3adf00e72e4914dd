"""The steps of a check that need the blobs of an image; `access/soundness.py` is their front."""
