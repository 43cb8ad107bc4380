"""The active snapshot: its sources, its construction and its replacement.

Some commands read sources but do not serve calls. So this package does not import its modules. Other code
imports each module directly.
"""
