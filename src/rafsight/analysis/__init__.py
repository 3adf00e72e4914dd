"""File contents to an inventory of components. Pure: it declares what it wants and never fetches."""
