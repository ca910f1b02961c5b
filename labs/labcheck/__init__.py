"""The labs' runner."""
