"""Tables and plots of figures: what the parts of RESULTS.md share."""
import os
import shutil
import subprocess

from bars import middle, series


def number(value):
    """Three significant digits, or all of a larger number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def cell(values, failed):
    """median (min..max), and how many rounds broke."""
    kept = [value for value in values if value is not None]
    broke = f" ({failed} failed)" if failed else ""
    if not kept:
        return "failed" if failed else "–"
    if isinstance(kept[0], bool):
        return number(all(kept)) + broke
    if min(kept) == max(kept):
        return number(kept[0]) + broke
    return (f"{number(middle(kept))} "
            f"({number(min(kept))}..{number(max(kept))}){broke}")


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |",
             "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def failures(results, case, peer):
    return sum(values is None for values in results.get(case, {}).get(peer, []))


def figures(tables, results, peers):
    text = ""
    for title, columns in tables:
        columns = [column for column in columns if column[1] in results]
        if not columns:
            continue
        rows = [[peer] + [cell(series(results, case, peer, metric),
                               failures(results, case, peer))
                          for _, case, metric in columns] for peer in peers]
        rows = [row for row in rows if set(row[1:]) != {"–"}]
        text += f"\n### {title}\n\n"
        text += table(["peer"] + [name for name, _, _ in columns], rows)
    return text


def pictures(plots, drawn):
    """Those of the plots that were drawn, as lines of Markdown."""
    if not drawn:
        return ""
    return "\n" + "".join(f"![{title}]({name}.svg)\n"
                          for name, title, *_ in plots if name in drawn)


def failed(errors, head):
    if not errors:
        return ""
    return f"\n{head} What failed\n\n" + "".join(
        f"- {line}\n" for line in errors)


SCRIPT = """\
set terminal svg size 900,420 font "sans,12" background rgb "white"
set output "{path}"
set title "{title}"
set ylabel "{axis}"
set style data histogram
set style histogram errorbars gap 2 lw 1
set style fill solid 0.8 border -1
set key outside right top
set grid ytics
{scale}
$data << EOD
{data}
EOD
plot for [i=0:{last}] $data using (column(2+3*i)):(column(3+3*i)):\
(column(4+3*i)):xtic(1) lt int(word("{colours}", i+1)) \
title word("{names}", i+1)
"""


def plot_rows(results, peers, columns, floor):
    for label, case, metric in columns:
        row = [f'"{label}"']
        for peer in peers:
            kept = [value for value in series(results, case, peer, metric)
                    if value]
            row += ([f"{middle(kept)}", f"{min(kept)}", f"{max(kept)}"]
                    if kept else [floor] * 3)
        yield " ".join(row)


def write_plots(plots, results, peers, directory):
    """Draws the plots that there are figures for. Returns their names."""
    drawn = []
    if shutil.which("gnuplot") is None:
        return drawn
    for name, title, axis, columns, log in plots:
        shown = [peer for peer in peers if any(
            value for _, case, metric in columns
            for value in series(results, case, peer, metric))]
        if not shown:
            continue
        script = SCRIPT.format(
            path=os.path.join(directory, name + ".svg"), title=title,
            axis=axis, last=len(shown) - 1, names=" ".join(shown),
            # A peer has the same colour in all plots.
            colours=" ".join(str(peers.index(peer) + 1) for peer in shown),
            scale="set logscale y" if log else "set yrange [0:*]",
            data="\n".join(plot_rows(results, shown, columns,
                                     "NaN" if log else "0")))
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
        drawn.append(name)
    return drawn
