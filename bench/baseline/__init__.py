"""A plain service to compare with: FastAPI, Celery and Redis, doing the least that could be called the same.

It has no ledger, no holds, no accounts, no progress and no retries; what Redis has not flushed when the power goes is
lost (appendonly with appendfsync everysec, as people run it).
"""
