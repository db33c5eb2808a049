"""What pages have in common: one HTML file, light or dark as the reader has it, which needs nothing from elsewhere."""

from html import escape

# Figures are dark on white; inverted, with hues turned back, they fit a dark page. Pictures stay as they are.
CSS = """
:root {
  color-scheme: light dark;
  --page: #fff; --ink: #1c1c1c; --soft: #5c5c5c; --line: #ddd; --code: #f4f4f2; --link: #0060a0
}
@media (prefers-color-scheme: dark) {
  :root { --page: #121212; --ink: #e8e8e8; --soft: #a5a5a5; --line: #3a3a3a; --code: #1e1e1e; --link: #7cc0f0 }
  img { filter: invert(0.93) hue-rotate(180deg) }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 17px/1.55 system-ui, sans-serif }
main { max-width: 760px; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; text-wrap: balance }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 .5rem }
a { color: var(--link) }
.lead, .note, figcaption, footer, pre .why { color: var(--soft) }
figure { margin: 1.5rem 0 }
figure a, img { display: block }
img { width: 100%; height: auto }
figcaption, .note { font-size: .9rem; margin-top: .5rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .5rem; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
tbody { border-top: 1px solid var(--line) }
@media (max-width: 520px) {
  body { font-size: 16px }
  table { font-size: .9rem }
  figure a { margin: 0 -1rem }
}
dt { font-weight: 600 }
dd { margin: 0 0 .6rem }
pre { background: var(--code); padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; border-radius: 6px }
footer { margin-top: 3rem; font-size: .85rem }
"""


def document(title: str, body: str, styles: str = "") -> str:
    """A whole page. styles: CSS beside what all pages have."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{CSS}{styles}</style>
</head>
<body>
<main>{body}
</main>
</body>
</html>
"""
