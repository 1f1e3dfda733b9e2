"""Makes the table of words that the sketch engine takes from Unicode."""
