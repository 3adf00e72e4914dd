"""OCI registries: the client, its conversations and their credentials."""
