"""Phones for tests: Debian's real adbd in a private network, and devices that misbehave on the wire."""
