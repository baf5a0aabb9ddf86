"""What a run came to, as tables, pictures and pages."""
