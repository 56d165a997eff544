"""Run a build spec on this machine as CodeBuild would."""
