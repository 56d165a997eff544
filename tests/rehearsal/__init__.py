"""`make rehearse`: pushes, uploads and releases as the templates have them, all of AWS played here (see __main__.py)."""
