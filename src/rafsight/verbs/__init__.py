"""One verb a file; verbs never import each other."""
