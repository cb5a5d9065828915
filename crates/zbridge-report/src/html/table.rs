//! Tables as HTML elements.

use maud::{Markup, html};

use super::valid_xml::valid_xml;
use crate::table::{Align, Table};

impl Table {
    /// The table as an HTML element.
    pub fn to_html(&self) -> String {
        valid_xml(&table_html(self).into_string())
    }
}

pub(super) fn table_html(table: &Table) -> Markup {
    html! {
        table {
            @if !table.caption.trim().is_empty() { caption { (table.caption) } }
            "\n"
            thead { (header(table)) }
            @if !table.rows.is_empty() {
                tbody {
                    "\n"
                    @for row in &table.rows {
                        tr {
                            @for (cell, column) in table.cells(row).zip(&table.columns) {
                                // The text of a cell is escaped by the macro, like all text on a
                                // page.
                                td class=[class(column.align)] { (cell.written()) }
                            }
                        }
                        "\n"
                    }
                }
            }
        }
        "\n"
    }
}

fn header(table: &Table) -> Markup {
    html! {
        tr {
            @for column in &table.columns {
                th scope="col" class=[class(column.align)] {
                    (column.name)
                    @if !column.unit.is_empty() { " " span.unit { (column.unit) } }
                }
            }
        }
    }
}

fn class(align: Align) -> Option<&'static str> {
    match align {
        Align::Left => None,
        Align::Right => Some("right"),
        Align::Centre => Some("centre"),
    }
}
