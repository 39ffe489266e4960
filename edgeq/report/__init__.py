"""Runs made readable: text, Markdown, JSON."""
