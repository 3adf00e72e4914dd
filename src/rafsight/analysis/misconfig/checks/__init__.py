"""The checks, one module a group: its functions, and the table of what they are called."""
