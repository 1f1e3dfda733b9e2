"""What words mean, in fifteen languages."""
