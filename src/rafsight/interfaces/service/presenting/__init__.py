"""The presenting registry as an ASGI application."""
