"""What is known of frameworks, and which of them a project uses."""
