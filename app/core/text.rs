//! Text for people: Markdown that cannot be injected into, sparklines, charts.
