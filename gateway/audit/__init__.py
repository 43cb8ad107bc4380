"""The record of each call: its form, the sinks that keep it, and what is reported with it.

Commands read records without serving, so each module is imported by itself.
"""
