"""Is an image sound: manifest, config, bootstrap, metadata, blobs, chunks; and is it still what it was made from."""
