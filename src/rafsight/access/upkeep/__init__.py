"""The cache folder seen as a whole: how much lies where, what may go, and whether it is what it should be."""
