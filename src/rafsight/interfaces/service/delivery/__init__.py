"""How results reach those who want them: signed webhooks, and artifacts beside the image."""
