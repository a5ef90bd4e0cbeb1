"""Measurements to reproduce; not tests, and not run by them."""
