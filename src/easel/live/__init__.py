"""What one process keeps in memory: watchers, limits, forecasts, caches, and the progress of its draws.

Nothing here outlives its process or is shared with another. It may read the database but does not write to it.
"""
