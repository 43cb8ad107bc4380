"""The active snapshot: its sources, its construction and its replacement.

This package does not import its modules, because some commands read sources but do not serve calls. Other
packages import each module directly.
"""
