"""Convert images: plain ones to Nydus, and back."""
