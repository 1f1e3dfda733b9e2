"""`make bench` measures Easel and a plain FastAPI, Celery and Redis service; docs/reference/performance.md explains."""
