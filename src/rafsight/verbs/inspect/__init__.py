"""What is in an image's metadata? Each function answers one question of `inspect`, as a value."""
