"""Pages for people: what the service knows, in a browser, without a script and without a request to anywhere else."""
