"""Benchmarks: the time of calls, decisions and reloads; memory under load."""
