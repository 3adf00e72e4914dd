"""Who does the work: processes that scan, and the chores that keep the store fresh and small."""
