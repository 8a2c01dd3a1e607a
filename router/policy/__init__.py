"""What chooses a plan: pinned by the client, or from difficulty and budget."""
