"""What scans found out, kept by content: small answers under keys that say all they depend on."""
