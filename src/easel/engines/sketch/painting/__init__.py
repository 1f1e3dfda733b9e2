"""From a scene to pixels: colours, markup, lettering, and the canvas."""
