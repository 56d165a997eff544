"""Until when AWS supports what our functions and builds run on. Whatever is not listed here is not used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from tests.cdk.templates import Template, text

# docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html, "Supported runtimes", column "Deprecation date".
LAMBDA = {
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
# docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html: on Amazon Linux 2023; older ones get no updates.
CODEBUILD = {
    "aws/codebuild/amazonlinux-aarch64-standard:3.0",
    "aws/codebuild/amazonlinux-aarch64-standard:4.0",
    "aws/codebuild/amazonlinux-x86_64-standard:5.0",
}
# docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-features.html
EDGE = {"cloudfront-js-2.0"}


def outdated(templates: Mapping[str, Template], today: date) -> list[str]:
    """A line for each resource that runs on something old or unknown."""
    return [f"{where}: {what}" for where, what, is_good in _used(templates, today) if not is_good]


def _used(templates: Mapping[str, Template], today: date) -> Iterator[tuple[str, str, bool]]:
    for name, template in templates.items():
        for logical_id, resource in template.body["Resources"].items():
            properties, where = text(resource.get("Properties", {})), f"{name}.{logical_id}"
            match resource["Type"]:
                case "AWS::Lambda::Function":
                    runtime = properties.get("Runtime", "a container image")
                    yield where, runtime, LAMBDA.get(runtime, date.min) > today
                case "AWS::Lambda::LayerVersion":
                    for runtime in properties.get("CompatibleRuntimes", []):
                        yield where, runtime, LAMBDA.get(runtime, date.min) > today
                case "AWS::CodeBuild::Project":
                    yield where, properties["Environment"]["Image"], properties["Environment"]["Image"] in CODEBUILD
                case "AWS::CloudFront::Function":
                    runtime = properties["FunctionConfig"]["Runtime"]
                    yield where, runtime, runtime in EDGE
