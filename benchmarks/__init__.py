"""Measurements: ratios from interleaved runs in one session on one machine, with spread. Never part of the tests."""
