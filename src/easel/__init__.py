"""Easel: a self-hosted text-to-image service for Z-Image-Turbo."""

__version__ = "0.1.0"
