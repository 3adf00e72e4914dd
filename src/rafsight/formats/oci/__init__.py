"""References, manifests, indexes and configs as the OCI specifications and Nydus write them."""
