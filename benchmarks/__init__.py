"""Benchmarks: each module is a command that measures, prints a table, and updates RESULTS.md."""
