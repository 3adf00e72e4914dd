"""The statements, the same for every database: what each method of the store does inside its transaction."""
