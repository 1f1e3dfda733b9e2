"""What the service does: a file per action.

An action opens its own transactions, and no other tier opens one that writes. What a process keeps in memory from one
action to the next belongs in `live`.
"""
