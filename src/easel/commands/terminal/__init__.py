"""What commands share: options, failures, files that they write."""
