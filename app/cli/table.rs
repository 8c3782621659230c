//! Tables that fit the terminal; without a terminal nothing is cut or wrapped.

use bowsprit_core::text::clean_line;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::io::IsTerminal as _;

/// A table of foreign cells under a head; a head that ends in `#` names a column of numbers.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(
        head.iter()
            .map(|word| word.trim_end_matches('#').to_uppercase()),
    );
    match width() {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for (at, word) in head.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
            if word.ends_with('#') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut is_empty = true;
    for row in rows {
        is_empty = false;
        table.add_row(row.iter().map(|cell| clean_line(cell)));
    }
    if is_empty {
        return "nothing to list".to_owned();
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The terminal's width, where there is one. Units: characters.
pub(super) fn width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| width.0)
}
