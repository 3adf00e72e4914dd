"""Images as mounted file trees."""
