"""Figures: seconds, requests and bytes, side by side with what a user would otherwise run."""
