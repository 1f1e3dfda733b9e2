"""Easel as a server of the Model Context Protocol, with which AI agents draw. Needs the extra `mcp`."""
