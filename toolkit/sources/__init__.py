"""Where code comes from: a commit, a push, a zip, a watched folder."""
