//! A small writer of SVG: elements by function, numbers with one decimal, text escaped.

/// Colours of the series, readable on both backgrounds.
pub(super) const SERIES_COLOURS: &[&str] = &[
    "#1f77b4", "#d9730d", "#2a9d5c", "#b5529f", "#8a6d3b", "#5b6b7b",
];

/// A picture being written.
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

/// Where a text stands against its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    /// Begins there.
    Start,
    /// Is centred there.
    Middle,
    /// Ends there.
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// The title.
    Title,
    /// Labels and legends.
    Plain,
    /// Ticks and remarks.
    Faint,
    /// On a dark cell.
    Light,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Look::Title => "h",
            Look::Plain => "t",
            Look::Faint => "f",
            Look::Light => "l",
        }
    }
}

/// Presentation attributes are the light theme, for readers without style sheets; the style turns them for dark.
const STYLE: &str = "<style>text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px}\
.h{font-size:15px;font-weight:600;fill:#1f2328}.t{fill:#1f2328}.f{fill:#59636e;font-size:11px}.l{fill:#ffffff}\
.b{fill:#ffffff}.g{stroke:#d1d9e0}.a{stroke:#59636e}\
@media (prefers-color-scheme:dark){.h,.t{fill:#e6edf3}.f{fill:#9198a1}.b{fill:#0d1117}.g{stroke:#30363d}.a{stroke:#9198a1}}</style>";

impl Svg {
    /// An empty picture with its background. Units: pixels.
    pub(super) fn new(width: f64, height: f64) -> Svg {
        Svg {
            body: String::new(),
            width,
            height,
        }
    }

    /// A text at a place.
    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, look: Look, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, class, text) = (figure(at.0), figure(at.1), look.class(), xml(text));
        self.put(&format!(
            "<text x=\"{x}\" y=\"{y}\" class=\"{class}\" text-anchor=\"{anchor}\">{text}</text>\n"
        ));
    }

    /// A remark or a tick's label.
    pub(super) fn remark(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        self.text(at, anchor, Look::Faint, text);
    }

    /// A straight line of a class: `g` grid, `a` axis, `m` mark.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let (x1, y1, x2, y2) = (figure(from.0), figure(from.1), figure(to.0), figure(to.1));
        let (stroke, dash) = match class {
            "m" => ("#59636e", " stroke-dasharray=\"4 3\""),
            "a" => ("#59636e", ""),
            _ => ("#d1d9e0", ""),
        };
        let class = if class == "g" { "g" } else { "a" };
        self.put(&format!(
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" class=\"{class}\" stroke=\"{stroke}\"{dash}/>\n"
        ));
    }

    /// A line through points, in a colour of ours.
    pub(super) fn path(&mut self, points: &[(f64, f64)], colour: &str) {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{},{}", figure(*x), figure(*y)))
            .collect();
        self.put(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n",
            points.join(" ")
        ));
    }

    /// A dot, in a colour of ours.
    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, colour: &str) {
        let (x, y, r) = (figure(at.0), figure(at.1), figure(radius));
        self.put(&format!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"{colour}\"/>\n"
        ));
    }

    /// A filled rectangle; `opacity` between 0 and 1.
    pub(super) fn rect(&mut self, at: (f64, f64), size: (f64, f64), colour: &str, opacity: f64) {
        let (x, y, w, h) = (
            figure(at.0),
            figure(at.1),
            figure(size.0.max(0.0)),
            figure(size.1.max(0.0)),
        );
        let opacity = if opacity < 1.0 {
            format!(" fill-opacity=\"{opacity:.2}\"")
        } else {
            String::new()
        };
        self.put(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{colour}\"{opacity}/>\n"
        ));
    }

    /// The finished file; `title` is also what a screen reader says.
    pub(super) fn finish(self, title: &str) -> String {
        let (w, h, title) = (figure(self.width), figure(self.height), xml(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
             <title>{title}</title>\n{STYLE}\n<rect class=\"b\" width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }

    fn put(&mut self, element: &str) {
        self.body.push_str(element);
    }
}

/// The width of a text at 12 pixels, by rule of thumb, so that the same picture comes out everywhere. Units: pixels.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars()
        .map(|c| if c.is_ascii() { 7.0 } else { 9.0 })
        .sum()
}

/// Foreign text on one line, cut.
pub(super) fn label(text: &str, chars_max: usize) -> String {
    let line = crate::text::clean_line(&text.replace('\n', " "));
    let total = line.chars().count();
    if total <= chars_max {
        return line;
    }
    let mut cut: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn figure(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Text for XML: mark-up as entities, and without the characters that XML cannot hold.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                // A control character is not allowed in XML, not even as an entity.
                escaped.push(' ');
            }
            c => escaped.push(c),
        }
    }
    escaped
}
