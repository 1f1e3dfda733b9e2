"""The engine that lets an image server draw."""
