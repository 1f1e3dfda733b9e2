"""Makes the file of pictures that the sketch engine draws with."""
