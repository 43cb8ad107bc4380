"""The records of calls, and the reports about calls in traces, metrics and logs.

Some commands read records but do not serve calls. So this package does not import its modules. Other code
imports each module directly.
"""
