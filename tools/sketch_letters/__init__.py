"""Makes the outlines of letters that the sketch engine writes on signs."""
