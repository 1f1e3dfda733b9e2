"""The route that speaks OpenAI's dialect."""
