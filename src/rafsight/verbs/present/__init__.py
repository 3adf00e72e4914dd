"""`rafsight present`: the images of a registry, each Nydus image as a plain OCI image."""
