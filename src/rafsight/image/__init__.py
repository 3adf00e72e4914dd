"""What the tables of an image mean: a tree, a selection, a plan of reads. Pure."""
