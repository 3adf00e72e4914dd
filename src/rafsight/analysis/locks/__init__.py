"""Lock files and manifests: packages that somebody asked for, read only when that is wanted (`declared`)."""
