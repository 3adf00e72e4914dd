"""Presenting: a Nydus image as a plain OCI image, made layer by layer and kept by digest."""
