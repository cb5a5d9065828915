use crate::{DataError, read_bytes};
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

/// What a column says: ids or row numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberKind {
    Ids,
    Rows,
}

/// The pairs in the CSV file at `path`: an id of x and one of y on each line below the header
/// `x,y`. In place of ids, `x_index` and `y_index` stand above row numbers, counted from 0; one
/// side may have ids and the other row numbers.
///
/// # Errors
/// [`DataError::Read`]; [`DataError::Pairs`] with the line when the header is another, a line has
/// not two fields, a field is empty or not UTF-8, a row number is none, or there is no pair at all.
pub fn read_pairs(path: &Path) -> Result<Pairs, DataError> {
    let bytes = read_bytes(path)?;
    let text =
        std::str::from_utf8(&bytes).map_err(|error| not_text(path, &bytes, error.valid_up_to()))?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(&*bytes);
    let mut lines = reader.records().map(|record| Line::new(path, text, record));
    let kinds = kinds(path, lines.next().transpose()?)?;
    let pairs: Vec<_> = lines
        .map(|line| line?.pair(kinds))
        .collect::<Result<_, _>>()?;
    match pairs[..] {
        [] => Err(wrong_line(path, 2, "no pairs below the header".to_owned())),
        _ => Ok(Pairs {
            path: path.to_owned(),
            pairs,
        }),
    }
}

/// What the header says of both columns.
fn kinds(path: &Path, header: Option<Line<'_>>) -> Result<[MemberKind; 2], DataError> {
    let Some(header) = header else {
        return Err(wrong_line(path, 1, "the file is empty".to_owned()));
    };
    let kind = |field: &str, side: &str| match field.strip_prefix(side)? {
        "" => Some(MemberKind::Ids),
        "_index" => Some(MemberKind::Rows),
        _ => None,
    };
    let kinds = match &header.fields[..] {
        [x, y] => kind(x, "x").zip(kind(y, "y")),
        _ => None,
    };
    let (x, y) = kinds
        .ok_or_else(|| header.wrong(format!("the header is {:?}", header.fields.join(","))))?;
    Ok([x, y])
}

/// The fields of a line, and where it is.
struct Line<'a> {
    path: &'a Path,
    number: u64,
    fields: Vec<String>,
}

impl<'a> Line<'a> {
    fn new(
        path: &'a Path,
        text: &str,
        record: csv::Result<csv::StringRecord>,
    ) -> Result<Self, DataError> {
        let record = record.map_err(|error| wrong_line(path, 1, error.to_string()))?;
        let number = line_number(text, record.position().map_or(0, csv::Position::byte));
        Ok(Self {
            path,
            number,
            fields: record.iter().map(str::to_owned).collect(),
        })
    }

    fn pair(self, [x_kind, y_kind]: [MemberKind; 2]) -> Result<Pair, DataError> {
        match &self.fields[..] {
            [x, y] => Ok(Pair {
                line: self.number,
                x: self.member(x, x_kind)?,
                y: self.member(y, y_kind)?,
            }),
            fields => Err(self.wrong(format!("{} field(s) instead of 2", fields.len()))),
        }
    }

    fn member(&self, field: &str, kind: MemberKind) -> Result<Member, DataError> {
        match kind {
            _ if field.is_empty() => Err(self.wrong("a field is empty".to_owned())),
            MemberKind::Ids => Ok(Member::Id(field.to_owned())),
            MemberKind::Rows => {
                let row = field
                    .parse()
                    .map_err(|_| self.wrong(format!("{field:?} is no row number")));
                row.map(Member::Row)
            }
        }
    }

    fn wrong(&self, why: String) -> DataError {
        wrong_line(self.path, self.number, why)
    }
}

/// The line of the first character from `start` on that is no line break: csv counts the blank
/// lines before a record to the record.
fn line_number(text: &str, start: u64) -> u64 {
    let start = start as usize;
    let blank = text.as_bytes()[start..]
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    text.as_bytes()[..start + blank]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count() as u64
        + 1
}

fn not_text(path: &Path, bytes: &[u8], valid: usize) -> DataError {
    let line = bytes[..valid].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
    wrong_line(path, line, "not UTF-8 text".to_owned())
}

fn wrong_line(path: &Path, line: u64, why: String) -> DataError {
    DataError::Pairs {
        path: path.to_owned(),
        line,
        why,
    }
}

/// Row numbers `(in x, in y)` of each pair, in the order of the pairs.
///
/// # Errors
/// [`DataError::UnknownId`] with the first pair with an id that its side does not have;
/// [`DataError::UnknownRow`] with the first row number beyond its side.
pub fn join(
    pairs: &Pairs,
    x_ids: &[String],
    y_ids: &[String],
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let (x, y) = (Side::new("x", x_ids), Side::new("y", y_ids));
    let mut rows = (
        Vec::with_capacity(pairs.pairs.len()),
        Vec::with_capacity(pairs.pairs.len()),
    );
    for (index, pair) in pairs.pairs.iter().enumerate() {
        rows.0.push(x.row_of(&pair.x, pairs, index)?);
        rows.1.push(y.row_of(&pair.y, pairs, index)?);
    }
    Ok(rows)
}

/// One side of the pairs: its name, and where its ids are.
struct Side<'a> {
    name: &'static str,
    rows: HashMap<&'a str, usize>,
    count: usize,
}

impl<'a> Side<'a> {
    fn new(name: &'static str, ids: &'a [String]) -> Self {
        Self {
            name,
            rows: rows_of(ids),
            count: ids.len(),
        }
    }

    fn row_of(&self, member: &Member, pairs: &Pairs, index: usize) -> Result<usize, DataError> {
        let (side, rows) = (self.name, self.count);
        match member {
            Member::Id(id) => {
                let unknown = || DataError::UnknownId {
                    pair: index + 1,
                    side,
                    id: id.clone(),
                    count: rows,
                };
                self.rows.get(id.as_str()).copied().ok_or_else(unknown)
            }
            Member::Row(row) if *row < rows => Ok(*row),
            Member::Row(row) => {
                let (path, line) = (pairs.path.clone(), pairs.pairs[index].line);
                Err(DataError::UnknownRow {
                    path,
                    line,
                    side,
                    row: *row,
                    rows,
                })
            }
        }
    }
}

fn rows_of(ids: &[String]) -> HashMap<&str, usize> {
    ids.iter()
        .enumerate()
        .map(|(row, id)| (id.as_str(), row))
        .collect()
}

/// Row numbers `(in x, in y)` of the ids that both sides have, in the order of x: the pairs when
/// nobody names them.
///
/// # Errors
/// [`DataError::NoCommonIds`] when there are none, with an example of each side.
pub fn join_by_id(
    x_ids: &[String],
    y_ids: &[String],
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let y_rows = rows_of(y_ids);
    let both = x_ids
        .iter()
        .enumerate()
        .filter_map(|(row, id)| Some((row, *y_rows.get(id.as_str())?)));
    let rows: (Vec<usize>, Vec<usize>) = both.unzip();
    if rows.0.is_empty() {
        return Err(DataError::NoCommonIds {
            x_count: x_ids.len(),
            x_example: x_ids.first().cloned().unwrap_or_default(),
            y_count: y_ids.len(),
            y_example: y_ids.first().cloned().unwrap_or_default(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Pairs, DataError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_pairs(file.path())
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    fn joined(text: &str, x: &[&str], y: &[&str]) -> Result<(Vec<usize>, Vec<usize>), DataError> {
        join(&read(text.as_bytes()).unwrap(), &ids(x), &ids(y))
    }

    fn line_of(text: &[u8]) -> u64 {
        match read(text) {
            Err(DataError::Pairs { line, .. }) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pairs_are_read_with_quotes_spaces_windows_lines_and_a_byte_order_mark() {
        let (x, y) = (["1", "2"], ["b,c", "a"]);
        let expected = (vec![0, 1], vec![1, 0]);
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
            read_pairs(Path::new("no/such.csv")),
            Err(DataError::Read { .. })
        ));
    }

    #[test]
    fn a_join_follows_the_pairs_and_may_repeat_rows() {
        let rows = joined("x,y\nb,1\na,2\nb,2\n", &["a", "b"], &["1", "2"]);
        assert_eq!(rows.unwrap(), (vec![1, 0, 1], vec![0, 1, 1]));
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
            (vec![1, 1], vec![0, 2])
        );
        assert_eq!(
            joined("x,y_index\nb,0\n", &["a", "b"], &["7"]).unwrap(),
            (vec![1], vec![0])
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
            join_by_id(&ids(&["c", "a", "b"]), &ids(&["b", "c"])).unwrap(),
            (vec![0, 2], vec![1, 0])
        );
        let error = join_by_id(&ids(&["a"]), &ids(&["1", "2"])).unwrap_err();
        assert!(
            error.to_string().contains("\"a\"") && error.to_string().contains("\"1\""),
            "{error}"
        );
    }
}
