"""How Sphinx builds these documents into a static site: `make docs`."""

project = "Easel"
author = "The Easel authors"
copyright = "2026, The Easel authors"  # noqa: A001 - Sphinx reads this name

extensions = ["myst_parser"]
exclude_patterns = ["receivers"]
nitpicky = True  # a reference that leads nowhere is a warning, and warnings fail the build
myst_heading_anchors = 4  # links to headings work as they do in a repository's viewer

highlight_language = "none"  # most blocks are shell sessions and outputs; others name their language

html_theme = "furo"
html_title = "Easel"
html_copy_source = False
html_show_copyright = False
