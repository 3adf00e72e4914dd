"""What `inspect` answers: one value for each question, and its two forms, JSON and text."""
