"""Replace, add or remove files of an image without building it again."""
