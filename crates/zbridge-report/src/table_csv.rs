//! Tables as comma-separated values (RFC 4180 with plain line ends).

use crate::cell::Cell;
use crate::table::Table;

impl Table {
    /// The table as comma-separated values in full precision, for programs.
    ///
    /// A column with an estimate is followed by one for its standard errors, and one with an
    /// interval by two for its ends; a missing entry is empty.
    pub fn to_csv(&self) -> String {
        let columns = 0..self.columns.len();
        let parts: Vec<Parts> = columns
            .map(|column| Parts::of_column(self, column))
            .collect();
        let mut records = vec![self.csv_header(&parts)];
        for row in &self.rows {
            records.push(self.csv_record(row, &parts));
        }
        csv_text(&records)
    }

    fn csv_header(&self, parts: &[Parts]) -> Vec<String> {
        let mut header = Vec::new();
        for (column, parts) in self.columns.iter().zip(parts) {
            header.extend(parts.names(&column.heading()));
        }
        header
    }

    fn csv_record(&self, row: &[Cell], parts: &[Parts]) -> Vec<String> {
        let mut record = Vec::new();
        for (cell, parts) in self.cells(row).zip(parts) {
            record.extend(parts.values(cell));
        }
        record
    }
}

/// Whether the entries of a column have more than a value.
struct Parts {
    standard_error: bool,
    interval: bool,
}

impl Parts {
    fn of_column(table: &Table, column: usize) -> Self {
        let cells = || table.rows.iter().filter_map(|row| row.get(column));
        Self {
            standard_error: cells().any(|cell| cell.exact_standard_error().is_some()),
            interval: cells().any(|cell| cell.exact_interval().is_some()),
        }
    }

    fn names(&self, name: &str) -> Vec<String> {
        let mut names = vec![name.to_owned()];
        if self.standard_error {
            names.push(format!("{name} standard error"));
        }
        if self.interval {
            names.extend([format!("{name} low"), format!("{name} high")]);
        }
        names
    }

    fn values(&self, cell: &Cell) -> Vec<String> {
        let mut values = vec![cell.exact()];
        if self.standard_error {
            // Empty in a row of the column that has none.
            values.push(cell.exact_standard_error().unwrap_or_default());
        }
        if self.interval {
            values.extend(cell.exact_interval().unwrap_or_default());
        }
        values
    }
}

fn csv_text(records: &[Vec<String>]) -> String {
    let mut writer = csv::WriterBuilder::new()
        // A row may have fewer entries than the header.
        .flexible(true)
        .from_writer(Vec::new());
    for record in records {
        writer
            .write_record(record)
            .expect("writing to memory does not fail, and records may differ in length");
    }
    let bytes = writer
        .into_inner()
        .expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("fields are text, and so are commas and quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let record = ["a,b", "say \"c\"", "", "d\ne"].map(str::to_owned).to_vec();
        assert_eq!(
            csv_text(&[record, vec!["1".into()]]),
            "\"a,b\",\"say \"\"c\"\"\",,\"d\ne\"\n1\n"
        );
        assert_eq!(csv_text(&[]), "");
    }
}
