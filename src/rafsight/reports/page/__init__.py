"""A scan as one page that needs nothing else: no server, no request, no library."""
