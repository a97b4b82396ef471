"""What `autotransfer plugins --check` prints."""

from __future__ import annotations

from dataclasses import asdict

import click

from autotransfer.cli.groups import filled
from autotransfer.cli.options import print_json, say
from autotransfer.plugin.registry import Registry
from autotransfer.plugin.testing import Finding
from autotransfer.plugin.testing.plugin_checks import check_named

BROKEN = 2
_WORDS = {True: "kept", False: "BROKEN", None: "does not apply"}


def print_check(registry: Registry, name: str, *, as_json: bool) -> int:
    """Print how a part or a plugin keeps its promises; return the exit code."""
    findings, causes = [], set()
    for finding in check_named(registry, name):
        findings.append(finding)
        if as_json:
            say(_lines(finding)[0])
        elif finding.kept is False and (finding.part, finding.problem) in causes:
            line = f"{_lines(finding)[0]}, for the same cause"
            click.echo("\n".join(filled(line, "", "  ")))
        else:
            click.echo("\n".join(_lines(finding)))
        if finding.kept is False:
            causes.add((finding.part, finding.problem))
    broken = sum(finding.kept is False for finding in findings)
    if as_json:
        print_json({"checked": name, "broken": broken, "promises": [asdict(f) for f in findings]})
    else:
        kept = sum(finding.kept is True for finding in findings)
        by = "" if len(causes) == broken else f", by {len(causes)} cause(s)"
        click.echo(f"{name}: {kept} kept, {broken} broken{by}")
    return BROKEN if broken else 0


def _lines(finding: Finding) -> list[str]:
    lines = [f"{finding.part}: {finding.promise}: {_WORDS[finding.kept]}"]
    if finding.problem:
        lines += filled(f"found: {finding.problem}", "  ", " " * 9)
    if finding.remedy:
        lines += filled(f"to do: {finding.remedy}", "  ", " " * 9)
    return lines
