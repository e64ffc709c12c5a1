"""Calls to services that fail: deadline, retry, rate limit, bulkhead, breaker, attempt timeout."""
