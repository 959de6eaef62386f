//! Curves over a logarithmic axis, as SVG that is readable on light and dark backgrounds.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
/// Margins around the axes of a panel: left, right, top, bottom.
const MARGINS: [f64; 4] = [52.0, 16.0, 44.0, 50.0];
/// Approximate number of ticks on the vertical axis.
const TICKS: f64 = 5.0;
const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.end { text-anchor: end } .middle { text-anchor: middle }
.axis { stroke: #57606a } .grid { stroke: #57606a; stroke-opacity: .25 }
.line0, .bar0 { stroke: #0969da } .dot0 { fill: #0969da }
.line1, .bar1 { stroke: #bc4c00 } .dot1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #c9d1d9 } .axis, .grid { stroke: #8b949e }
.line0, .bar0 { stroke: #58a6ff } .dot0 { fill: #58a6ff }
.line1, .bar1 { stroke: #f0883e } .dot1 { fill: #f0883e }
}
";

/// One of several diagrams that stand side by side and share the horizontal quantity.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// Label of the vertical axis, with the unit.
    pub(crate) y_label: &'static str,
    /// At most two lines.
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    /// Name of the line; empty if it is the only one.
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// A reading with its range, drawn as a bar. An `at` of 0 stands left of the logarithmic axis.
pub(crate) struct Point {
    pub(crate) at: f64,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Mapping of values to positions in the image.
struct Scale {
    left: f64,
    right: f64,
    /// Logarithms at both ends of the axis.
    from: f64,
    to: f64,
    y_max: f64,
}

pub(crate) fn svg(panels: &[Panel], x_label: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n<title>{}, over {x_label}</title>\n\
         <style>{STYLE}</style>\n",
        panels.first().map_or("", |panel| panel.y_label)
    );
    let width = WIDTH / panels.len() as f64;
    for (number, panel) in panels.iter().enumerate() {
        let scale = Scale::new(panel, number as f64 * width, width);
        axes(&mut out, panel, &scale, x_label);
        for (number, line) in panel.lines.iter().enumerate() {
            curve(&mut out, line, number, &scale);
        }
    }
    out + "</svg>\n"
}

impl Scale {
    fn new(panel: &Panel, start: f64, width: f64) -> Self {
        let points = || panel.lines.iter().flat_map(|line| &line.points);
        let logarithms = || points().filter(|point| point.at > 0.0).map(|point| point.at.log10());
        let mut from = logarithms().fold(f64::INFINITY, f64::min).min(9.0).floor();
        let to = logarithms().fold(from + 1.0, f64::max).ceil();
        // 0 is drawn one power of ten below the least value.
        from -= f64::from(u8::from(points().any(|point| point.at == 0.0)));
        let y_max = points().map(|point| point.max).fold(f64::MIN_POSITIVE, f64::max);
        let step = step(y_max);
        let y_max = (y_max / step).ceil() * step;
        let [left, right, ..] = MARGINS;
        Self { left: start + left, right: start + width - right, from, to, y_max }
    }

    fn x(&self, at: f64) -> f64 {
        let logarithm = if at > 0.0 { at.log10() } else { self.from };
        self.left + (self.right - self.left) * (logarithm - self.from) / (self.to - self.from)
    }

    fn y(&self, value: f64) -> f64 {
        let [.., top, bottom] = MARGINS;
        HEIGHT - bottom - (HEIGHT - top - bottom) * value / self.y_max
    }
}

/// Distance between ticks: 1, 2 or 5 times a power of ten.
fn step(most: f64) -> f64 {
    let power = 10f64.powf((most / TICKS).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| most / step <= TICKS).unwrap_or(steps[3])
}

fn axes(out: &mut String, panel: &Panel, scale: &Scale, x_label: &str) {
    let Scale { left, right, y_max, .. } = *scale;
    let bottom = scale.y(0.0);
    let middle = f64::midpoint(left, right);
    text(out, left - 40.0, 16.0, "title", panel.title);
    text(out, left - 40.0, 32.0, "", panel.y_label);
    text(out, middle, HEIGHT - 10.0, "middle", x_label);
    let step = step(y_max);
    for tick in 0..=(y_max / step).round() as u32 {
        let value = f64::from(tick) * step;
        let y = scale.y(value);
        let class = if tick == 0 { "axis" } else { "grid" };
        stroke(out, class, [left, y, right, y]);
        let digits = usize::from(step < 1.0);
        text(out, left - 6.0, y + 4.0, "end", &format!("{value:.digits$}"));
    }
    let has_zero = panel.lines.iter().flat_map(|line| &line.points).any(|point| point.at == 0.0);
    for power in scale.from as i32..=scale.to as i32 {
        let at = if has_zero && f64::from(power) == scale.from { 0.0 } else { 10f64.powi(power) };
        let x = scale.x(at);
        stroke(out, "axis", [x, bottom, x, bottom + 4.0]);
        text(out, x, bottom + 18.0, "middle", &count(at));
    }
}

fn curve(out: &mut String, line: &Line, number: usize, scale: &Scale) {
    let place = |point: &Point| (scale.x(point.at), scale.y(point.median));
    let mut path = String::new();
    for point in &line.points {
        let (x, y) = place(point);
        let [low, high] = [point.min, point.max].map(|value| scale.y(value));
        stroke(out, &format!("bar{number}"), [x, low, x, high]);
        for end in [low, high] {
            stroke(out, &format!("bar{number}"), [x - 4.0, end, x + 4.0, end]);
        }
        // Formatting into a string cannot fail.
        let _ = write!(path, "{x:.1},{y:.1} ");
        mark(out, number, x, y);
    }
    let _ = writeln!(
        out,
        "<polyline class=\"line{number}\" fill=\"none\" stroke-width=\"2\" points=\"{}\"/>",
        path.trim()
    );
    if !line.name.is_empty() {
        // The legend stands above the axis, where curves that start at 0 leave room.
        let (x, y) = (scale.left + 12.0, scale.y(0.0) - 26.0 + 16.0 * number as f64);
        mark(out, number, x, y - 4.0);
        text(out, x + 10.0, y, "", &line.name);
    }
}

/// Draws a marker. Each line has its own shape, not only its own colour.
fn mark(out: &mut String, number: usize, x: f64, y: f64) {
    let shape = match number {
        0 => format!("circle class=\"dot0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\""),
        _ => {
            let (x, y) = (x - 3.5, y - 3.5);
            format!("rect class=\"dot1\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"7\" height=\"7\"")
        }
    };
    let _ = writeln!(out, "<{shape}/>");
}

fn text(out: &mut String, x: f64, y: f64, class: &str, words: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

fn stroke(out: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let _ = writeln!(
        out,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

/// Label of a tick: 1, 10, 100, 1k, …
fn count(at: f64) -> String {
    match at {
        1e6.. => format!("{}M", at / 1e6),
        1e3.. => format!("{}k", at / 1e3),
        _ => format!("{at}"),
    }
}
