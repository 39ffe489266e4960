"""Runs as pages that people look at: one self-contained HTML file, or a static site of a whole store."""
