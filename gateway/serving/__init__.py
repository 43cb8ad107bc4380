"""The active snapshot: what it is made of, how it is built, how it is replaced.

Commands read sources without serving, so each module is imported by itself.
"""
