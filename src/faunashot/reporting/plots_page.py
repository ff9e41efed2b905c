"""The page that ``dvc plots`` fills, with Vega inside it: DVC's own fetches Vega from a CDN."""

from __future__ import annotations

import sys
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  {refresh_tag}
  <title>faunashot: plots</title>
  <style>body { font-family: system-ui, sans-serif; margin: 2rem; }</style>
  <script>SCRIPT</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def write_plots_page(file: Path) -> None:
    """Write the template that ``plots.html_template`` in ``.dvc/config`` names."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]
    bundle = bundle.replace("</script", "<\\/script")
    file.write_text(PAGE.replace("SCRIPT", bundle), encoding="utf-8")


if __name__ == "__main__":
    write_plots_page(Path(sys.argv[1]))
