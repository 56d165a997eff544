"""AWS stacks. The only package that may import aws_cdk; nothing else imports it."""
