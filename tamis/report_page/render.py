"""Pages written out: one file with style, script and data inside, and nothing fetched from outside.

What comes from documents is escaped by the templates (Jinja2, autoescape). As a second fence the
page carries a content security policy: scripts run by checksum alone, and nothing may be loaded.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tamis.printable import printable
from tamis.report_page.parts import Chart, Page
from tamis.tables import Section

_SHORT = 12
"""Rows shown of a longer table until somebody asks for all."""


def render(page: Page) -> str:
    """The page of a report."""
    charts = [chart for panel in page.panels for chart in panel.charts]
    scripts = {"script": _text("page.js"), "plotly": _plotly()}
    return _write("report.html", page.name, scripts, page=page, figures=_figures(charts))


def sections_page(title: str, sections: Iterable[Section]) -> str:
    """Tables alone on a page, without any script."""
    none = {"script": "", "plotly": ""}
    return _write("tables.html", title, none, sections=list(sections), figures="")


def _write(template: str, title: str, scripts: Mapping[str, str], **content: Any) -> str:
    runnable = [_checksum(script) for script in scripts.values() if script] or ["'none'"]
    policy = "; ".join(
        [
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src data:",
            " ".join(["script-src", *runnable]),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    page = _templates().get_template(template)
    return page.render(
        title=printable(title),
        policy=policy,
        style=Markup(_text("page.css")),
        **{name: Markup(script) for name, script in scripts.items()},
        **content,
    )


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("tamis.report_page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals["short"] = _SHORT
    return templates


def _text(name: str) -> str:
    return resources.files("tamis.report_page").joinpath(name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """plotly.js (Plotly, MIT licence; the full bundle: a Sankey diagram is in no smaller one)."""
    script = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    return script.read_text(encoding="utf-8").replace("</script", "<\\/script")


def _checksum(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _figures(charts: Iterable[Chart]) -> Markup:
    """The figures by chart as JSON that cannot end the element it stands in."""
    data = {
        chart.id: {"views": list(chart.figures.items()), "narrow": chart.narrow} for chart in charts
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)
