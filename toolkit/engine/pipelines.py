"""What a site's pipelines in AWS and their parts are called: `cdk/pipelines.py` makes them so, functions and `aws/` find them."""

from __future__ import annotations

# Of the pipelines, as `SitePipeline` has them, `PipelineFacts.keys` and the ids of deliveries.
LIVE, PREVIEW, PULL, CLOSED, UPLOAD = "live", "preview", "pull", "closed", "upload"
# Those that release what was pushed.
PUSHED = (LIVE, PREVIEW, PULL)
# Of stages; each has one action, which has its stage's name.
SOURCE, INSPECT, DIRECT, BUILD, RELEASE, RETIRE = "Source", "Inspect", "Direct", "Build", "Release", "Retire"
# The actions that start the ReleaseWorkflow: the second without a build.
RELEASES = (RELEASE, DIRECT)
# What INSPECT says of a zip.
SITE, PROJECT = "site", "project"
# Of outputs of the site's stack, beside `output`.
UPLOAD_BUCKET, UPLOAD_PREFIX, ARTIFACT_BUCKET = "UploadBucket", "UploadPrefix", "ArtifactBucket"
# Below the prefix of uploads: what a source of zips reads without an event. It is never there.
NO_ZIP = "none.zip"
# What IAM knows the service of connections by; an ARN has the one under which its connection was made.
CONNECTION_SERVICES = ("codeconnections", "codestar-connections")
# Who signs for workflows of GitHub Actions ("OpenID Connect reference", GitHub docs).
GITHUB_ISSUER = "token.actions.githubusercontent.com"


def output(key: str) -> str:
    """The output of the site's stack that says the name of a pipeline: `LivePipeline`."""
    return f"{key.capitalize()}Pipeline"


def keys(*, pushes: bool, previews: bool, pull_requests: bool, uploads: bool) -> tuple[str, ...]:
    """Which pipelines there are: `pushes` where a connection brings them, of which `previews` and `pull_requests` are shown."""
    wanted = {
        LIVE: pushes,
        PREVIEW: pushes and previews,
        PULL: pushes and pull_requests,
        CLOSED: pushes and (previews or pull_requests),
        UPLOAD: uploads,
    }
    return tuple(key for key, is_there in wanted.items() if is_there)
