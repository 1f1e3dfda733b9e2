"""The console: its page, the sessions of those who sign in there, and the tasks as the page shows them."""
