"""The page of the tour: one HTML file beside its pictures."""

from collections.abc import Iterable
from html import escape

from narrows import __version__
from narrows.demo.chapter import Chapter, Picture, Rate, Restored, Result
from narrows.report.html_page import document


def write(cover: Picture, chapters: Iterable[Chapter], commands: Iterable[tuple[str, str]], seconds: float) -> str:
    """The whole page. commands: (what for, command), with what for empty where it goes with the one before."""
    chapters = list(chapters)
    return document(
        "narrows: the tour on MNIST",
        f"""
<h1>Through a narrow place and back</h1>
<p class="lead">An autoencoder learns to turn each item into a short code and to rebuild the item from it. These ones
learnt it from handwritten digits, on this machine, in {seconds / 60:.1f} minutes in all.</p>
{picture_html(cover)}
{table_html(chapters)}
{"".join(chapter_html(chapter) for chapter in chapters)}
<h2>Go on from here</h2>
<pre><code>{commands_html(commands)}</code></pre>
<footer>Made by <code>narrows demo</code>, narrows {escape(__version__)}. The digits are the MNIST database of Y. LeCun,
C. Cortes and C. J. C. Burges: 60,000 to learn from, 10,000 to test on.</footer>""",
    )


def chapter_html(chapter: Chapter) -> str:
    paragraphs = "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in chapter.paragraphs)
    pictures = "\n".join(picture_html(picture) for picture in chapter.pictures)
    points = "\n".join(f"<dt>{escape(word)}</dt><dd>{escape(sentence)}</dd>" for word, sentence in chapter.points)
    return f"""
<section>
<h2>{escape(chapter.title)}</h2>
{paragraphs}
{pictures}
{f"<dl>{points}</dl>" if points else ""}
{rates_html(chapter.rates) if chapter.rates else ""}
{restored_html(chapter.restored) if chapter.restored else ""}
</section>
"""


def picture_html(picture: Picture) -> str:
    file, (width, height) = escape(picture.file), picture.size
    return f"""<figure>
<a href="{file}"><img src="{file}" width="{width}" height="{height}" alt="{escape(picture.alt)}"></a>
<figcaption>{escape(picture.caption)}</figcaption>
</figure>"""


def table_html(chapters: Iterable[Chapter]) -> str:
    """The results of all chapters, those of a chapter together, with a link to each model."""
    groups = [
        "<tbody>\n" + "\n".join(row_html(result) for result in chapter.results) + "\n</tbody>"
        for chapter in chapters
        if chapter.results
    ]
    head = "<tr><th>Model</th><th>Code</th><th>Test MSE</th><th>Trained</th></tr>"
    return f"""<div class="scroll"><table>\n<thead>{head}</thead>\n{"".join(groups)}\n</table></div>
<p class="note">Code: how many numbers stand for the 784 pixels of a digit. Test MSE: mean squared error over all test
digits, with pixels of 0 to 1. The models are files beside this page; the commands below use them.</p>"""


def rates_html(rates: Iterable[Rate]) -> str:
    """Sizes of files, side by side."""
    rows = "\n".join(
        f"<tr><td>{linked(rate.name, rate.file)}</td><td>{rate.bytes:.1f}</td><td>{rate.quality}</td></tr>"
        for rate in rates
    )
    head = "<tr><th>File</th><th>Bytes a digit</th><th>What comes back</th></tr>"
    return f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>{rows}</tbody>\n</table></div>'


def restored_html(restored: Iterable[Restored]) -> str:
    """Errors before and after, side by side."""
    rows = "\n".join(
        f"<tr><td>{linked(each.name, each.file)}</td><td>{each.before:.4f}</td><td>{each.after:.4f}</td>"
        f"<td>{each.seconds:.0f} s</td></tr>"
        for each in restored
    )
    head = "<tr><th></th><th>MSE before</th><th>MSE after</th><th>Trained</th></tr>"
    return f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>{rows}</tbody>\n</table></div>'


def row_html(result: Result) -> str:
    name = linked(result.name, result.file)
    return f"<tr><td>{name}</td><td>{result.code}</td><td>{result.mse:.4f}</td><td>{result.trained}</td></tr>"


def linked(name: str, file: str | None) -> str:
    """A name, with a link to the file of its model where it has one."""
    return f'<a href="{escape(file)}">{escape(name)}</a>' if file else escape(name)


def commands_html(commands: Iterable[tuple[str, str]]) -> str:
    lines = []
    for why, command in commands:
        if why:
            lines.append(f'<span class="why"># {escape(why)}</span>')
        lines.append(escape(command))
    return "\n".join(lines)
