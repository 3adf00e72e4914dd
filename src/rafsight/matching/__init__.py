"""An inventory and advisories to findings."""
