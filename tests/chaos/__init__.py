"""Kills gateways with SIGKILL under load, and checks that the ledger is true about each call.

Run it with `make chaos`.
"""
