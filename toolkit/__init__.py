"""Static-site hosting with versioned routing, on a laptop and in your own AWS account."""
