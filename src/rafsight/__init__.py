"""See into Nydus images by their registry reference, fetching only the bytes that answer the question."""
