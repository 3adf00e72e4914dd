"""Languages: packages as their installers leave them."""
