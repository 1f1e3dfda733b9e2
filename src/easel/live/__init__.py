"""What one process keeps in memory: watchers, limits, forecasts, caches, and the progress of its draws.

Nothing here outlives its process, and nothing here is shared with another. It may read the database but not write to
it.
"""
