"""Instruments that one process keeps in memory."""
