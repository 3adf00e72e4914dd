"""Which secrets are in this image?"""
