"""OpenAI's images API, served by Easel."""
