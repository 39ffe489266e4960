"""Finds recipes that keep the accuracy: trials on the host, a journal of them, and exports of the best."""
