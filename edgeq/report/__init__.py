"""Runs made readable: text, Markdown, JSON, CSV, HTML pages."""
