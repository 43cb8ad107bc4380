"""The active snapshot: its sources, its construction and its replacement.

Commands read sources but do not serve calls. So each module of this package is imported separately.
"""
