"""The sites whose pipelines are played: what lies in their repository, and their site.toml."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REPOSITORY = "ada/pages"
CONNECTION = "arn:aws:codeconnections:eu-west-1:123456789012:connection/0a1b2c3d-0000-4000-8000-00000000000a"
SECRET, SECRET_VALUE = "REGISTRY_TOKEN", "made-up-and-never-shown"
_LEFT_OUT = shutil.ignore_patterns("node_modules", "dist", ".venv", "site", ".git", "expect.json")
_AWS = """
[aws]
region = "eu-west-1"
stage = "development"
watch_minutes = 0
access_logs = false
"""
_GITHUB = f'\n[aws.github]\nrepository = "{REPOSITORY}"\nconnection_arn = "{CONNECTION}"\n'
_UPLOADS = "\n[aws.uploads]\n"
# It builds in a moment: what is in pages/ becomes the site, beside a word on what the build could see.
SPEC = """version: 0.2
phases:
  build:
    commands:
      - sh build.sh
artifacts:
  base-directory: out
  files:
    - "**/*"
cache:
  paths:
    - "kept/**/*"
"""
BUILD = """set -e
mkdir -p out kept
cp -R pages/. out/
echo "token: ${REGISTRY_TOKEN:+known}, kept: $(cat kept/note 2>/dev/null)" > out/build.txt
echo x >> kept/note
"""


@dataclass(frozen=True)
class Project:
    """A site with pipelines: its site.toml, its files, and the folder of examples/ that they come from, if they do.

    `within` is the folder of the repository that it lies in.
    """

    name: str
    toml: str
    hosts: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    example: str = ""
    within: str = ""

    def write(self, folder: Path) -> Path:
        """Make the site's folder below `folder`, as its repository has it."""
        made = folder / self.name / self.within
        if self.within:
            (folder / self.name / ".git").mkdir(parents=True)
        if self.example:
            shutil.copytree(ROOT / "examples" / self.example, made, ignore=_LEFT_OUT)
        made.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        head = f'name = "{self.name}"\nbranch = "main"\ntarget = "aws"\nhosts = {json.dumps(list(self.hosts))}\n'
        (made / "site.toml").write_text(head + self.toml, encoding="utf-8")
        return made


# The build that most scenarios play, quick, with secrets and pull requests; below hosts of its own.
PRESS = Project(
    "press",
    f'build_spec = "buildspec.yml"\n\n[build]\nsecrets = ["{SECRET}"]\n{_AWS}{_GITHUB}pull_requests = true\n{_UPLOADS}',
    hosts=("press.example.com", "*.example.com"),
    files={"buildspec.yml": SPEC, "build.sh": BUILD},
)
# Sites in a folder of their repository: only pushes that touch it are their business. The first one's site.toml is at the top and
# says `root`, the other one's lies in the folder.
LANE = Project(
    "lane",
    f'root = "web/lane"\nbuild_spec = "web/lane/buildspec.yml"\n{_AWS}{_GITHUB}paths = ["web/lane/**"]\n',
    files={"web/lane/buildspec.yml": SPEC, "web/lane/build.sh": BUILD},
)
AISLE = Project(
    "aisle",
    f'build_spec = "buildspec.yml"\n{_AWS}{_GITHUB}paths = ["web/aisle/**"]\n',
    files={"buildspec.yml": SPEC, "build.sh": BUILD},
    within="web/aisle",
)
# Nothing to build: a folder of the repository, or of the zip, is the site. Tags go live, pushes do not.
PLAIN = Project(
    "plain", f'output = "public"\n\n[routing]\nmode = "site"\n{_AWS}{_GITHUB}tags = ["v*"]\n{_UPLOADS}', example="plain"
)
VITE = Project("vite", f'preset = "vite"\n\n[routing]\nmode = "spa"\n{_AWS}{_GITHUB}{_UPLOADS}', example="vite-react")
MKDOCS = Project("mkdocs", f'preset = "mkdocs"\n\n[routing]\nmode = "site"\n{_AWS}{_GITHUB}{_UPLOADS}', example="docs-mkdocs")
PROJECTS = {one.name: one for one in (PRESS, LANE, AISLE, PLAIN, VITE, MKDOCS)}
