"""What a GPU makes of all this, found out step by step: each in a process of its own, so that none ends another."""
