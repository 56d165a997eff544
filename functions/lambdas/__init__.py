"""The steps of a release in AWS: each takes a Step Functions event and leaves the work to the engine."""
