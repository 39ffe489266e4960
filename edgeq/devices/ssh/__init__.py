"""Devices over SSH."""
