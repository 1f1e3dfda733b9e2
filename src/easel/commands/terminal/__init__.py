"""What commands share: options, tables, failures, output files, and access to the database."""
