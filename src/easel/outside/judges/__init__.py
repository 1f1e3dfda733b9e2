"""What judges prompts and pictures, apart from the rules themselves."""
