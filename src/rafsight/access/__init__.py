"""The only place with sockets, blob reads and threads."""
