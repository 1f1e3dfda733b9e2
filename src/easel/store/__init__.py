"""All SQL. Functions take a connection. The caller, who opened the transaction, also ends it."""
