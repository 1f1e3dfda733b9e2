"""A plain service for comparison: FastAPI, Celery and Redis, with the minimum that could be called the same service.

It has no ledger, holds, accounts, progress or retries. In a power failure it loses what Redis has not flushed
(appendonly with appendfsync everysec, the usual configuration).
"""
