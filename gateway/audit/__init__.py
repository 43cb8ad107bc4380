"""The records of calls, and the reports about calls in traces, metrics and logs.

Commands read records but do not serve calls. So each module of this package is imported separately.
"""
