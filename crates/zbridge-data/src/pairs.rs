use crate::error::AtPath;
use crate::files::read_bytes;
use crate::{DataError, JoinError, PairsError};
use csv::{Position, ReaderBuilder, StringRecord, Trim};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Which rows of x and y belong together, as a file of pairs says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    path: PathBuf,
    pairs: Vec<Pair>,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    line: u64,
    x: Member,
    y: Member,
}

/// How a line names one side of its pair.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Id(String),
    Row(usize),
}

/// What a column has: ids or row numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberKind {
    Ids,
    Rows,
}

/// The rows of pairs: row `x[i]` of x belongs to row `y[i]` of y.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedRows {
    /// Rows of x, from 0.
    pub x: Vec<usize>,
    /// Rows of y, from 0.
    pub y: Vec<usize>,
}

impl Pairs {
    /// Returns the pairs in the CSV file at `path`: an id of x and one of y on each line below the
    /// header `x,y`. Instead of ids, row numbers from 0 are given below `x_index` and `y_index`;
    /// one side may have ids and the other row numbers.
    ///
    /// # Errors
    /// [`FileError::Read`](crate::FileError::Read); [`PairsError`] with the line if the header is
    /// another one, a line has not two fields, a field is empty or not UTF-8, a row number is not a
    /// number, or there is no pair at all.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = read_bytes(path)?;
        Ok(Self {
            path: path.to_owned(),
            pairs: read_pairs(&bytes).at(path)?,
        })
    }

    /// Returns the rows of each pair, in the order of the pairs.
    ///
    /// # Errors
    /// [`JoinError::UnknownId`] with the first pair whose id is not among those of its side;
    /// [`JoinError::UnknownRow`] with the first row number beyond its side.
    pub fn join(&self, x_ids: &[String], y_ids: &[String]) -> Result<PairedRows, JoinError> {
        // Ids are looked up in a table: there may be as many pairs as rows.
        let (x, y) = (Side::new("x", x_ids), Side::new("y", y_ids));
        let mut rows = PairedRows {
            x: Vec::with_capacity(self.pairs.len()),
            y: Vec::with_capacity(self.pairs.len()),
        };
        for (index, pair) in self.pairs.iter().enumerate() {
            rows.x.push(x.row_of(&pair.x, self, index)?);
            rows.y.push(y.row_of(&pair.y, self, index)?);
        }
        Ok(rows)
    }
}

impl PairedRows {
    /// Returns the rows of the ids that both sides have, in the order of x: the pairs if there is
    /// no file of pairs.
    ///
    /// # Errors
    /// [`JoinError::NoCommonIds`] if there are none, with an example of each side.
    pub fn of_common_ids(x_ids: &[String], y_ids: &[String]) -> Result<Self, JoinError> {
        let y_rows = rows_by_id(y_ids);
        let mut rows = Self {
            x: vec![],
            y: vec![],
        };
        for (x_row, id) in x_ids.iter().enumerate() {
            if let Some(&y_row) = y_rows.get(id.as_str()) {
                rows.x.push(x_row);
                rows.y.push(y_row);
            }
        }
        match rows.x[..] {
            [] => Err(no_common_ids(x_ids, y_ids)),
            _ => Ok(rows),
        }
    }
}

fn no_common_ids(x_ids: &[String], y_ids: &[String]) -> JoinError {
    let example = |ids: &[String]| ids.first().cloned().unwrap_or_default();
    JoinError::NoCommonIds {
        x_count: x_ids.len(),
        x_example: example(x_ids),
        y_count: y_ids.len(),
        y_example: example(y_ids),
    }
}

fn read_pairs(bytes: &[u8]) -> Result<Vec<Pair>, PairsError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let mut lines = read_lines(text)?.into_iter();
    let header = lines.next();
    let header = header.ok_or_else(|| wrong_line(1, "the file is empty"))?;
    let kinds = header.kinds()?;
    let pairs: Vec<Pair> = lines
        .map(|line| line.pair(kinds))
        .collect::<Result<_, _>>()?;
    if pairs.is_empty() {
        return Err(wrong_line(2, "no pairs below the header"));
    }
    Ok(pairs)
}

fn read_lines(text: &str) -> Result<Vec<Line>, PairsError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        // Lines with another number of fields have an error of their own.
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Vec::new();
    for record in reader.records() {
        lines.push(Line::of(text, record)?);
    }
    Ok(lines)
}

/// The fields of a line, and its number.
struct Line {
    number: u64,
    fields: Vec<String>,
}

impl Line {
    fn of(text: &str, record: csv::Result<StringRecord>) -> Result<Self, PairsError> {
        let record = record.map_err(|error| wrong_line(1, error.to_string()))?;
        let start = record.position().map_or(0, Position::byte);
        Ok(Self {
            number: line_number(text, start as usize),
            fields: record.iter().map(str::to_owned).collect(),
        })
    }

    /// Returns what both columns have, if this is the header.
    fn kinds(&self) -> Result<[MemberKind; 2], PairsError> {
        let kinds = match &self.fields[..] {
            [x, y] => column_kind(x, "x").zip(column_kind(y, "y")),
            _ => None,
        };
        let (x, y) = kinds.ok_or_else(|| {
            let header = self.fields.join(",");
            wrong_line(self.number, format!("the header is {header:?}"))
        })?;
        Ok([x, y])
    }

    fn pair(&self, [x_kind, y_kind]: [MemberKind; 2]) -> Result<Pair, PairsError> {
        let [x, y] = &self.fields[..] else {
            let reason = format!("{} field(s) instead of 2", self.fields.len());
            return Err(wrong_line(self.number, reason));
        };
        Ok(Pair {
            line: self.number,
            x: self.member(x, x_kind)?,
            y: self.member(y, y_kind)?,
        })
    }

    fn member(&self, field: &str, kind: MemberKind) -> Result<Member, PairsError> {
        if field.is_empty() {
            return Err(wrong_line(self.number, "a field is empty"));
        }
        match kind {
            MemberKind::Ids => Ok(Member::Id(field.to_owned())),
            MemberKind::Rows => {
                let row = field.parse();
                let not_a_row = |_| {
                    let reason = format!("{field:?} is not a row number");
                    wrong_line(self.number, reason)
                };
                row.map(Member::Row).map_err(not_a_row)
            }
        }
    }
}

fn column_kind(field: &str, side: &str) -> Option<MemberKind> {
    match field.strip_prefix(side)? {
        "" => Some(MemberKind::Ids),
        "_index" => Some(MemberKind::Rows),
        _ => None,
    }
}

/// Returns the number of the line of a record that starts at this byte.
fn line_number(text: &str, start: usize) -> u64 {
    // The position of a record is that of the blank lines before it.
    let rest = text.as_bytes()[start..].iter();
    let blank = rest.take_while(|byte| b"\r\n".contains(byte)).count();
    count_lines(&text.as_bytes()[..start + blank])
}

/// Returns the number of the line after these bytes, from 1.
fn count_lines(bytes: &[u8]) -> u64 {
    let breaks = bytes.iter().filter(|&&byte| byte == b'\n');
    breaks.count() as u64 + 1
}

fn not_utf8(bytes: &[u8], valid: usize) -> PairsError {
    wrong_line(count_lines(&bytes[..valid]), "not UTF-8 text")
}

fn wrong_line(line: u64, reason: impl Into<String>) -> PairsError {
    PairsError {
        line,
        reason: reason.into(),
    }
}

/// The rows of one side by their ids.
struct Side<'a> {
    name: &'static str,
    rows_by_id: HashMap<&'a str, usize>,
    rows: usize,
}

impl<'a> Side<'a> {
    fn new(name: &'static str, ids: &'a [String]) -> Self {
        Self {
            name,
            rows_by_id: rows_by_id(ids),
            rows: ids.len(),
        }
    }

    /// Returns the row of a member of pair `index`.
    fn row_of(&self, member: &Member, pairs: &Pairs, index: usize) -> Result<usize, JoinError> {
        match member {
            Member::Id(id) => {
                let row = self.rows_by_id.get(id.as_str());
                row.copied().ok_or_else(|| JoinError::UnknownId {
                    pair: index + 1,
                    side: self.name,
                    id: id.clone(),
                    count: self.rows,
                })
            }
            Member::Row(row) if *row < self.rows => Ok(*row),
            Member::Row(row) => Err(JoinError::UnknownRow {
                path: pairs.path.clone(),
                line: pairs.pairs[index].line,
                side: self.name,
                row: *row,
                rows: self.rows,
            }),
        }
    }
}

fn rows_by_id(ids: &[String]) -> HashMap<&str, usize> {
    let rows = ids.iter().enumerate();
    rows.map(|(row, id)| (id.as_str(), row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileError;

    fn read(text: &[u8]) -> Result<Pairs, DataError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Pairs::read(file.path())
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    fn joined(text: &str, x: &[&str], y: &[&str]) -> Result<PairedRows, JoinError> {
        let pairs = read(text.as_bytes()).unwrap();
        pairs.join(&ids(x), &ids(y))
    }

    fn paired(x: &[usize], y: &[usize]) -> PairedRows {
        PairedRows {
            x: x.to_vec(),
            y: y.to_vec(),
        }
    }

    fn line_of(text: &[u8]) -> u64 {
        match read(text) {
            Err(DataError::File {
                fault: FileError::Pairs(PairsError { line, .. }),
                ..
            }) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pairs_are_read_with_quotes_spaces_windows_lines_and_a_byte_order_mark() {
        let (x, y) = (["1", "2"], ["b,c", "a"]);
        let expected = paired(&[0, 1], &[1, 0]);
        assert_eq!(joined("x,y\n1,a\n2,\"b,c\"\n", &x, &y).unwrap(), expected);
        assert_eq!(
            joined("\u{feff}x, y\r\n1, a\r\n\r\n2,\"b,c\"", &x, &y).unwrap(),
            expected
        );
    }

    #[test]
    fn wrong_lines_are_named() {
        assert_eq!(line_of(b""), 1);
        assert_eq!(line_of(b"1,a\n2,b\n"), 1);
        assert_eq!(line_of(b"x,y\n"), 2);
        assert_eq!(line_of(b"x,y\n1,a\n2\n"), 3);
        assert_eq!(line_of(b"x,y\n1,a\n\n2,b,c\n"), 4);
        assert_eq!(line_of(b"x,y\n1,a\n2,\n"), 3);
        assert_eq!(line_of(b"x_index,y_index\n1,2\n-1,2\n"), 3);
        assert_eq!(line_of(b"x_row,y\n1,2\n"), 1);
        assert_eq!(line_of(b"x,y\n1,a\n2,\xff\n"), 3);
        assert!(matches!(
            Pairs::read(Path::new("no/such.csv")).unwrap_err().fault(),
            Some(FileError::Read(_))
        ));
    }

    #[test]
    fn a_join_follows_the_pairs_and_may_repeat_rows() {
        let rows = joined("x,y\nb,1\na,2\nb,2\n", &["a", "b"], &["1", "2"]);
        assert_eq!(rows.unwrap(), paired(&[1, 0, 1], &[0, 1, 1]));
    }

    #[test]
    fn an_unknown_id_is_named_with_its_pair_and_side() {
        let error = joined("x,y\na,1\na,9\n", &["a"], &["1"]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("pair 2 (counted below the header): y id \"9\""),
            "{error}"
        );
    }

    #[test]
    fn row_numbers_stand_for_ids_on_either_side() {
        assert_eq!(
            joined("x_index,y_index\n1,0\n1,2\n", &["a", "b"], &["7", "8", "9"]).unwrap(),
            paired(&[1, 1], &[0, 2])
        );
        assert_eq!(
            joined("x,y_index\nb,0\n", &["a", "b"], &["7"]).unwrap(),
            paired(&[1], &[0])
        );
        let error = joined("x_index,y_index\n0,0\n\n0,3\n", &["a"], &["7", "8", "9"]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(", line 4: y_index is 3, but y has 3 rows"),
            "{error}"
        );
    }

    #[test]
    fn without_pairs_equal_ids_belong_together() {
        assert_eq!(
            PairedRows::of_common_ids(&ids(&["c", "a", "b"]), &ids(&["b", "c"])).unwrap(),
            paired(&[0, 2], &[1, 0])
        );
        let error = PairedRows::of_common_ids(&ids(&["a"]), &ids(&["1", "2"])).unwrap_err();
        assert!(
            error.to_string().contains("\"a\"") && error.to_string().contains("\"1\""),
            "{error}"
        );
    }
}
