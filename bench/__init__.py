"""`make bench`: measures Easel, and a plain FastAPI, Celery and Redis service beside it. docs/performance.md explains."""
