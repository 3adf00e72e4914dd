"""Results to documents, one format a file."""
