"""What operators see and change over HTTP, with keys of the scope `admin`."""
