"""Writes the curves of runs as a script for gnuplot that holds its data."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from dbsl_tf import __version__
from dbsl_tf.common.palette import DARK, FAINT, PALE, line_style
from dbsl_tf.common.visible import visible
from dbsl_tf.reporting.curves import Curve
from dbsl_tf.reporting.progress import ProgressPlot, Stretch

SUFFIX = ".gp"
_COLUMN = 3.5  # inches: a column of a two-column paper
_INCHES_HIGH, _INCHES_A_ROW = 2.3, 0.16  # of the axes, and of a row of the legend
_NARROWEST_BAND = 0.09  # share of the axis that leaves room for a resolution
_MOST_POINTS_MARKED = 12
# gnuplot's numbers of hollow markers, and its patterns of lines.
_POINTS = (6, 4, 8, 12, 10, 14, 1, 3)
_DASHES = ("solid", "'-'", "'-.'", "'.'", "(20,4,4,4,4,4)", "(32,8)", "(12,4)", "(4,8)")


def gnuplot_script(plot: ProgressPlot, output: Path) -> str:
    """Returns a script for gnuplot 5 or later, which draws a plot one column wide.

    It writes a PDF, or an SVG where gnuplot cannot write PDFs.

    Args:
        plot: what to draw.
        output: the file of the script, which gives the figure its name.
    """
    name = output.stem
    curves = list(enumerate(plot.curves))
    parts = [
        f"# Made by dbsl_tf {__version__}; drawn with: gnuplot {visible(shlex.quote(output.name))}",
        "",
        *(line for index, curve in curves for line in _data(index, curve)),
        *_terminal(name, len(curves) + bool(plot.resumptions) if plot.legend else 0),
        f"set xlabel {_quoted(plot.x_label)} noenhanced",
        f"set ylabel {_quoted(plot.y_label)} noenhanced",
        f"set xrange [0:{_number(_right(plot.curves))}]",
        *(["set yrange [0:*]"] if plot.from_zero else []),
        f'set grid linetype 1 linecolor rgb "{FAINT}" linewidth 0.5',
        "set border 3",
        "set tics nomirror",
        "set key below noenhanced" if plot.legend else "unset key",
        *_resolutions(plot.stretches, _right(plot.curves)),
        *(
            f"set arrow from {_number(at)}, graph 0 to {_number(at)}, graph 1 nohead {_RESUMED}"
            for at in plot.resumptions
        ),
        "",
        "plot \\",
        ", \\\n".join(f"    {line}" for line in _lines(plot)),
        "unset output",
    ]
    return "\n".join(parts) + "\n"


_RESUMED = f"""dashtype '.' linewidth 0.8 linecolor rgb "{DARK}\""""


def _data(index: int, curve: Curve) -> list[str]:
    """Returns the lines of a block: x, y and, where there is one, the standard deviation."""
    columns = [curve.x, curve.y, *([curve.deviations] if curve.deviations else [])]
    return [
        f"# {visible(curve.label)}",
        f"$curve{index} << END",
        *(" ".join(map(_number, row)) for row in zip(*columns)),
        "END",
        "",
    ]


def _terminal(name: str, rows: int) -> list[str]:
    height = _INCHES_HIGH + _INCHES_A_ROW * rows
    return [
        'if (strstrt(GPVAL_TERMINALS, "pdfcairo")) {',
        f'    set terminal pdfcairo size {_COLUMN}in, {height:.2f}in font ",8" linewidth 1.1',
        f"    set output {_quoted(f'{name}.pdf')}",
        "} else {",
        f'    set terminal svg size {100 * _COLUMN:.0f}, {100 * height:.0f} font ",11"',
        f"    set output {_quoted(f'{name}.svg')}",
        "}",
    ]


def _lines(plot: ProgressPlot) -> list[str]:
    """Returns what is drawn, the bands of a standard deviation first."""
    bands = [
        f"$curve{index} using 1:($2-$3):($2+$3) with filledcurves "
        f'fillcolor rgb "{line_style(index)["color"]}" '
        "fillstyle transparent solid 0.18 noborder notitle"
        for index, curve in enumerate(plot.curves)
        if curve.deviations
    ]
    curves = [
        f"$curve{index} using 1:2 with linespoints {_style(index, curve)} "
        f"title {_quoted(curve.label)}"
        for index, curve in enumerate(plot.curves)
    ]
    resumed = [f"NaN with lines {_RESUMED} title 'resumed here'"] if plot.resumptions else []
    return [*bands, *curves, *resumed]


def _style(index: int, curve: Curve) -> str:
    every = max(1, -(-len(curve.x) // _MOST_POINTS_MARKED))
    return (
        f'linecolor rgb "{line_style(index)["color"]}" '
        f"dashtype {_DASHES[index % len(_DASHES)]} "
        f"pointtype {_POINTS[index % len(_POINTS)]} pointsize 0.7 pointinterval {every}"
    )


def _resolutions(stretches: Sequence[Stretch], right: float) -> list[str]:
    """Shades every other period of one resolution, and writes the resolution above it."""
    lines = []
    for number, part in enumerate(stretches):
        begin, end = _number(part.begin), _number(min(part.end, right))
        if number % 2:
            lines.append(
                f"set object rectangle from {begin}, graph 0 to {end}, graph 1 behind "
                f'fillcolor rgb "{PALE}" fillstyle solid noborder'
            )
        if (part.end - part.begin) / right > _NARROWEST_BAND:
            middle = _number((part.begin + part.end) / 2)
            lines.append(
                f'set label "{part.resolution} px" at {middle}, graph 1.04 center font ",6.5"'
            )
    return lines


def _right(curves: Sequence[Curve]) -> float:
    return max(curve.x[-1] for curve in curves)


def _number(value: float) -> str:
    return f"{value:.10g}"


def _quoted(text: str) -> str:
    """Returns a string of gnuplot's in which nothing has a meaning but its quote."""
    return "'" + visible(text).replace("'", "''") + "'"
