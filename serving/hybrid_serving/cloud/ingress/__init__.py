"""The HTTP side of the service: parses requests, moves work between segments, writes answers.

Runs no network and touches no pixel but to encode it; the only framework inside is the web framework.
"""
