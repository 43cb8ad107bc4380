"""The command `doctor`: it finds out why a gateway does not work, and says how to fix it.

Each module checks one part of the gateway. A check is a coroutine that adds results to a report. The checks
use the loaders of the gateway itself, and change nothing.
"""
