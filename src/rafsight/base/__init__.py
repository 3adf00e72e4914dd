"""What everything stands on: errors, events, limits, units, digests."""
