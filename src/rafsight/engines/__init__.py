"""Foreign engines behind one protocol: found, checked, run over a view of the image, their reports read."""
