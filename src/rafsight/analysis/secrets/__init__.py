"""Secrets in files and in what an image says about itself."""
