"""All SQL. Functions take a connection; whoever opened its transaction decides when it commits."""
