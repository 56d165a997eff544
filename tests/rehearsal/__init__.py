"""`make rehearse-release`: a release as the synthesised template says, with all of AWS played on this machine (see __main__.py)."""
