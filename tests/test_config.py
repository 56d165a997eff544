"""site.toml: what it means, and how its mistakes are named."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from toolkit.config import AwsConfig, NoConfig, SiteConfig, line_of, load, parse, read_secrets, site_schema
from toolkit.config_aws import CloudBuildConfig, GitHubConfig, UploadsConfig, secret_places
from toolkit.engine.dialects.registry import DIALECTS
from toolkit.engine.expiry import DEFAULT_DAYS
from toolkit.engine.slashes import POLICIES
from toolkit.errors import UserError
from toolkit.presets.registry import every

FULL = """\
name = "docs-2"
preset = "vite"
branch = "trunk"
root = "apps/web"
output = "build"
build_spec = "ci/buildspec.yml"
target = "aws"
hosts = ["www.example.com"]
strict = true

[build]
secrets = ["TOKEN"]
node = "20"
package_manager = "pnpm"

[build.env]
MODE = "production"

[routing]
mode = "site"
not_found = "/missing.html"
dialect = "cloudflare"
slashes = "exact"
immutable = ["/static/*.????????.js"]

[versions]
keep = 3
grace_hours = 0.5
carry_days = 2

[previews]
enabled = false
days = 0

[aws]
region = "eu-west-1"
profile = "work"
stage = "development"
price_class = "100"
access_logs = false
watch_minutes = 5
"""
CONNECTION = "arn:aws:codeconnections:eu-west-1:123456789012:connection/12345678-90ab-cdef-1234-567890abcdef"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
PIPELINES = f"""\
name = "docs"

[build]
secrets = ["NPM_TOKEN", "CMS_KEY"]

[aws.github]
repository = "octo-cat/web.site"
connection_arn = "{CONNECTION}"
paths = ["site/**", "shared/*.css"]
tags = ["v*"]
branches = ["feature/**"]
pull_requests = true
deploy_role = true
oidc_provider_arn = "{PROVIDER}"

[aws.uploads]
bucket = "our-zips"
prefix = "in/docs/"

[aws.build]
compute = "large"
architecture = "x86"
timeout_minutes = 60
secrets = {{ CMS_KEY = "/shared/cms" }}
"""


def read(text: str, path: str = "/project/site.toml") -> SiteConfig:
    return parse(text.encode(), Path(path))


def test_everything() -> None:
    config = read(FULL)
    assert (config.name, config.preset, config.branch, config.target) == ("docs-2", "vite", "trunk", "aws")
    assert config.path == Path("/project/site.toml") and config.folder == Path("/project")
    assert config.project == Path("/project/apps/web") and config.output == "build"
    assert config.spec_path == Path("/project/ci/buildspec.yml")
    assert config.env == {"MODE": "production", "NODE_VERSION": "20", "PACKAGE_MANAGER": "pnpm"}
    assert (config.secrets, config.hosts, config.strict, config.previews) == (("TOKEN",), ("www.example.com",), True, False)
    assert (config.keep, config.grace_hours, config.settings.carry_days, config.preview_days) == (3, 0.5, 2.0, 0)
    settings = config.settings
    assert (settings.mode, settings.not_found) == ("site", "/missing.html")
    assert (settings.dialect, settings.slashes) == ("cloudflare", "exact")
    assert settings.immutable == ("/static/*.????????.js",)
    assert config.aws == AwsConfig("eu-west-1", "work", stage="development", price_class="100", access_logs=False, watch_minutes=5)


def test_defaults_come_from_the_preset() -> None:
    config = read('name = "x"\npreset = "vite"')
    assert config.settings.mode == "spa" and config.settings.immutable == ("/assets/*-????????.*",)
    assert (config.branch, config.target, config.keep, config.grace_hours, config.previews) == ("main", "local", 10, 24.0, True)
    assert config.spec_path.name == "vite.yml" and config.spec_path.is_file()
    assert read('name = "x"').preset == "plain-html"


def test_the_file_is_found_from_below_but_not_beyond_the_repository(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('name = "x"')
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert load(tmp_path / "a" / "b").folder == tmp_path
    assert load(tmp_path / "site.toml").name == "x"
    (tmp_path / "a" / ".git").mkdir()
    with pytest.raises(NoConfig) as raised:
        load(tmp_path / "a" / "b")
    assert "toolkit init" in raised.value.fix


def test_plain_files_are_published_from_public(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('name = "x"')
    assert load(tmp_path).output == ""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").touch()
    assert load(tmp_path).output == "public"


def test_the_canonical_host_is_one_of_the_hosts() -> None:
    hosts = 'name = "x"\nhosts = ["example.com", "www.example.com"]\n'
    assert read(hosts).canonical == ""
    assert read(f'{hosts}canonical = "www.example.com"').canonical == "www.example.com"
    with pytest.raises(UserError, match=r"line 3: canonical is example[.]org, hosts has example[.]com, www"):
        read(f'{hosts}canonical = "example.org"')
    with pytest.raises(UserError, match=r"line 2: canonical is .*, hosts has none"):
        read('name = "x"\ncanonical = "example.com"')
    with pytest.raises(UserError, match=r"line 2: canonical is \*.example.com, hosts has none"):
        read('name = "x"\ncanonical = "*.example.com"\nhosts = ["*.example.com"]')


def test_more_hosts_than_a_record_holds_are_refused_before_anything_is_built() -> None:
    listed = ", ".join(f'"host-{number}.example.com"' for number in range(30))
    with pytest.raises(UserError, match=r"line 2: the 30 hosts take [0-9]+ bytes, 500 fit"):
        read(f'name = "shop"\nhosts = [{listed}]\n')


def test_one_host_may_be_a_wildcard_for_previews() -> None:
    assert read('name = "x"\nhosts = ["example.com", "*.example.com"]').hosts == ("example.com", "*.example.com")
    with pytest.raises(UserError, match=r"line 2: hosts has \*.example.com and \*.example.org"):
        read('name = "x"\nhosts = ["*.example.com", "*.example.org"]')
    for host in ("*", "*.com", "a.*.example.com", "*example.com", "**.example.com", "*.*.example.com", "www.*"):
        with pytest.raises(UserError, match="hosts"):
            read(f'name = "x"\nhosts = ["{host}"]')


@pytest.mark.parametrize("name", ["a", "0", "a-b-c", "site2", "a" * 30])
def test_good_names(name: str) -> None:
    assert read(f'name = "{name}"').name == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "xn--a", "A", "a_b", "ä", "a.b", "a" * 31, "a\\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(UserError, match="line 1: name is"):
        read(f'name = "{name}"')


@pytest.mark.parametrize(
    ("change", "line", "what", "fix"),
    [
        (('mode = "site"', 'mode = "spaa"'), 20, 'routing.mode is "spaa"', 'did you mean "spa"? allowed: "site", "spa"'),
        (('preset = "vite"', 'preset = "vit"'), 2, 'preset is "vit"', 'did you mean "vite"?'),
        (("keep = 3", "keep = 0"), 27, "versions.keep is 0", "at least 1"),
        (("keep = 3", 'keep = "3"'), 27, "versions.keep is a string", "a whole number"),
        (("keep = 3", "kep = 3"), 27, "versions.kep is not a field", 'did you mean "keep"?'),
        (("strict = true", "keep = 3"), 9, "keep is not a field", '"keep" belongs in [versions]'),
        (('MODE = "production"', "MODE = 1"), 17, "build.env.MODE is a whole number", "in quotes"),
        (('MODE = "production"', 'MO-DE = ""'), 17, "build.env.MO-DE is no good name", "letters, digits"),
        (('MODE = "production"', 'CODEBUILD_X = ""'), 17, "CODEBUILD_X is no good name", "CODEBUILD_"),
        (('hosts = ["www.example.com"]', 'hosts = [\n  "a.com",\n  "HTTP://b"]'), 8, 'hosts[1] is "HTTP://b"', "lower-case host"),
        (('hosts = ["www.example.com"]', 'hosts = "a.com"'), 8, "hosts is a string", "a list"),
        (('root = "apps/web"', 'root = "../web"'), 4, 'root is "../web"', "without .."),
        (('output = "build"', 'output = "/srv"'), 5, 'output is "/srv"', "the folder that the build writes"),
        (('branch = "trunk"', 'branch = "--force"'), 3, 'branch is "--force"', "name of the branch"),
        (('not_found = "/missing.html"', 'not_found = "missing.html"'), 21, "routing.not_found is", "starting with a slash"),
        (('secrets = ["TOKEN"]', 'secrets = ["MODE"]'), 17, "MODE is in build.env and in build.secrets", "one of them"),
        (('region = "eu-west-1"', 'region = "Ireland"'), 36, 'aws.region is "Ireland"', "such as eu-west-1"),
        (('stage = "development"', 'stage = "staging"'), 38, 'aws.stage is "staging"', '"production", "development"'),
        (('secrets = ["TOKEN"]', 'secrets = ["A", "A"]'), 12, 'build.secrets[1] repeats "A"', "once"),
    ],
)
def test_mistakes_name_line_field_and_what_is_allowed(change: tuple[str, str], line: int, what: str, fix: str) -> None:
    assert change[0] in FULL
    with pytest.raises(UserError) as raised:
        read(FULL.replace(*change))
    assert raised.value.what.startswith(f"/project/site.toml line {line}: ") and what in raised.value.what
    assert fix in raised.value.fix


def test_all_mistakes_at_once() -> None:
    with pytest.raises(UserError) as raised:
        read('nam = "x"\n[versions]\nkeep = 0')
    assert [line.split(": ", 1)[1] for line in raised.value.what.splitlines()] == [
        "name is missing",
        "nam is not a field",
        "versions.keep is 0",
    ]
    assert len(raised.value.fix.splitlines()) == 3


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'name = "x"\nwhat', 2),
        (b'name = "x\n', 1),
        (b'name = "x"\n[routing', 2),
        (b'name = "x"\nname = "y"', 2),
        (b"\n\nname = '\xff'", 3),
        (b'name = """', 1),
    ],
)
def test_what_is_no_toml(body: bytes, line: int) -> None:
    with pytest.raises(UserError, match=f"site.toml line {line}: "):
        parse(body, Path("/project/site.toml"))


def test_a_byte_order_mark_is_fine() -> None:
    assert parse(b'\xef\xbb\xbfname = "x"\r\n', Path("/project/site.toml")).name == "x"


def test_secrets_come_from_the_environment() -> None:
    config = read(FULL)
    assert read_secrets(config, {"TOKEN": "t", "OTHER": "o"}) == {"TOKEN": "t"}
    with pytest.raises(UserError, match=r"lists the secret TOKEN in build\.secrets"):
        read_secrets(config, {"TOKEN": ""})


def test_lines_of_dotted_quoted_and_inline_fields() -> None:
    text = 'a.b = 1\n"c d" = { e = 1 }\ntext = """\n[t]\nx = 1\n"""\n# [t]\n[t]\nx = 2\n[[list]]\n'
    assert line_of(text, ("a", "b")) == 1
    assert line_of(text, ("c d", "e")) == 2
    assert line_of(text, ("t", "x")) == 9
    assert line_of(text, ("t", "missing")) == 8
    assert line_of(text, ("nowhere",)) == 0


def test_the_schema_names_every_preset() -> None:
    assert site_schema()["properties"]["preset"]["enum"] == sorted(preset.name for preset in every())


def test_defaults_in_the_schema_are_the_real_ones() -> None:
    config = read('name = "x"')
    fields = site_schema()["properties"]
    for name in ("branch", "root", "target", "strict", "preset"):
        assert fields[name]["default"] == getattr(config, name)
    versions, routing = fields["versions"]["properties"], fields["routing"]["properties"]
    assert (versions["keep"]["default"], versions["grace_hours"]["default"]) == (config.keep, config.grace_hours)
    assert versions["carry_days"]["default"] == config.settings.carry_days
    assert routing["not_found"]["default"] == config.settings.not_found
    assert routing["dialect"]["default"] == config.settings.dialect
    assert routing["slashes"]["default"] == config.settings.slashes
    assert fields["previews"]["properties"]["enabled"]["default"] == config.previews
    assert fields["previews"]["properties"]["days"]["default"] == config.preview_days == DEFAULT_DAYS
    assert set(fields["aws"]["properties"]) == set(asdict(config.aws))
    tables = {"github": GitHubConfig(repository=""), "uploads": UploadsConfig(), "build": config.aws.build}
    for name, field in fields["aws"]["properties"].items():
        if name not in tables:
            assert field.get("default", "") == getattr(config.aws, name)
            continue
        values = asdict(tables[name])
        assert set(field["properties"]) == set(values)
        for key, inner in field["properties"].items():
            value = list(values[key]) if isinstance(values[key], tuple) else values[key]
            assert inner.get("default", "") == value, f"{name}.{key}"


def test_pipelines_are_what_the_tables_of_aws_say() -> None:
    aws = read(PIPELINES).aws
    assert aws.github == GitHubConfig(
        repository="octo-cat/web.site",
        connection_arn=CONNECTION,
        paths=("site/**", "shared/*.css"),
        tags=("v*",),
        branches=("feature/**",),
        pull_requests=True,
        deploy_role=True,
        oidc_provider_arn=PROVIDER,
    )
    assert aws.uploads == UploadsConfig("our-zips", "in/docs/")
    assert aws.build == CloudBuildConfig("large", "x86", 60, {"CMS_KEY": "/shared/cms"})
    assert aws.has_pipelines
    assert secret_places("docs", ("NPM_TOKEN", "CMS_KEY"), aws) == {
        "NPM_TOKEN": "/toolkit/docs/NPM_TOKEN",
        "CMS_KEY": "/shared/cms",
    }


def test_pipelines_come_with_a_table_and_not_without() -> None:
    assert not read('name = "x"\n[aws]\nregion = "eu-west-1"').aws.has_pipelines
    assert read('name = "x"\n[aws.uploads]').aws.uploads == UploadsConfig("", "uploads/")
    assert read('name = "x"\n[aws.uploads]').aws.has_pipelines
    alone = read('name = "x"\n[aws.github]\nrepository = "o/n"\ndeploy_role = true').aws
    assert alone.github == GitHubConfig("o/n", deploy_role=True) and not alone.has_pipelines, "for the repository's own CI"


@pytest.mark.parametrize(
    ("change", "line", "what", "fix"),
    [
        (("octo-cat/web.site", "https://github.com/octo-cat/site"), 7, "aws.github.repository is", "such as octocat/website"),
        (("octo-cat/web.site", "octo-cat/site.git"), 7, "aws.github.repository is", "owner/name"),
        (('repository = "octo-cat/web.site"\n', ""), 6, "aws.github.repository is missing", "owner/name"),
        (
            (CONNECTION, CONNECTION.replace("codeconnections", "codebuild")),
            8,
            "aws.github.connection_arn is",
            "ARN of the connection",
        ),
        ((CONNECTION, "12345678-90ab-cdef-1234-567890abcdef"), 8, "aws.github.connection_arn is", "arn:aws:codeconnections:"),
        (('["v*"]', '["1","2","3","4","5","6","7","8","9"]'), 10, "aws.github.tags has 9 entries", "write at most 8"),
        (('["v*"]', '["v*", ""]'), 10, 'aws.github.tags[1] is ""', "a pattern as CodePipeline has them"),
        (('["feature/**"]', "[]"), 11, "aws.github.branches is empty", "the branches that get previews"),
        (("deploy_role = true", "deploy_role = false"), 14, "oidc_provider_arn is for the role", "deploy_role = true"),
        (
            (PROVIDER, PROVIDER.replace("token.actions.github", "token.actions.gitlab")),
            14,
            "oidc_provider_arn is",
            "identity provider",
        ),
        (("our-zips", "Our_Zips"), 17, "aws.uploads.bucket is", "name of a bucket"),
        (("in/docs/", "in/docs"), 18, 'aws.uploads.prefix is "in/docs"', "ending with a slash"),
        (("in/docs/", "in/*/"), 18, 'aws.uploads.prefix is "in/*/"', "letters, digits"),
        (("in/docs/", ""), 18, 'aws.uploads.prefix is ""', "ending with a slash"),
        (('"large"', '"huge"'), 21, 'aws.build.compute is "huge"', '"small", "medium", "large"'),
        (("timeout_minutes = 60", "timeout_minutes = 1"), 23, "aws.build.timeout_minutes is 1", "at least 5"),
        (("/shared/cms", "/shared/*"), 24, "aws.build.secrets.CMS_KEY is", "name of a parameter"),
        (("{ CMS_KEY", "{ CMS_KEI"), 24, "aws.build.secrets.CMS_KEI is no secret", 'add "CMS_KEI" to secrets in [build]'),
        (("[aws.uploads]", 'connection = "x"\n[aws.uploads]'), 16, "aws.github.connection is not a field", '"connection_arn"'),
        (("[aws.uploads]", "timeout_minutes = 9\n[aws.uploads]"), 16, "is not a field", '"timeout_minutes" belongs in [aws.build]'),
    ],
)
def test_mistakes_in_the_tables_of_aws(change: tuple[str, str], line: int, what: str, fix: str) -> None:
    assert change[0] in PIPELINES
    with pytest.raises(UserError) as raised:
        read(PIPELINES.replace(*change, 1))
    assert raised.value.what.startswith(f"/project/site.toml line {line}: ") and what in raised.value.what
    assert fix in raised.value.fix


def test_a_repository_needs_a_connection_or_a_ci_of_its_own() -> None:
    with pytest.raises(UserError) as raised:
        read('name = "x"\n[aws.github]\nrepository = "o/n"\n')
    assert raised.value.what == "/project/site.toml line 2: aws.github.connection_arn is missing"
    assert "Connections" in raised.value.fix and "deploy_role = true" in raised.value.fix


def test_the_schema_names_every_dialect_and_slash_policy() -> None:
    routing = site_schema()["properties"]["routing"]["properties"]
    assert routing["dialect"]["enum"] == list(DIALECTS)
    assert routing["slashes"]["enum"] == list(POLICIES)


def test_the_guide_lists_every_field_of_pipelines_with_its_default() -> None:
    guide = (Path(__file__).parent.parent / "docs" / "guide.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:`\[aws\.(\w+)\]` )?`(\w+)` \|(?: `([^|]*)`)? \|", guide, re.MULTILINE)
    tables, table = site_schema()["properties"]["aws"]["properties"], ""
    listed: dict[str, dict[str, str]] = {"github": {}, "uploads": {}, "build": {}}
    for name, field, default in rows:
        table = name or table
        listed[table][field] = default
    for name, fields in listed.items():
        wanted = {field: json.dumps(it["default"]) if "default" in it else "" for field, it in tables[name]["properties"].items()}
        assert fields == wanted
