"""What was asked for, what became of it, and the reports: durable, and shared by all replicas of the service."""
