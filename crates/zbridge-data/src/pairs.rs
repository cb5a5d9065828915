use crate::{DataError, read_bytes};
use std::collections::HashMap;
use std::path::Path;

/// The pairs in the CSV file at `path`: (id of x, id of y) on each line below the header `x,y`.
///
/// # Errors
/// [`DataError::Read`]; [`DataError::Pairs`] with the line when the header is another, a line has not two fields, a
/// field is empty or not UTF-8, or there is no pair at all.
pub fn read_pairs(path: &Path) -> Result<Vec<(String, String)>, DataError> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| not_text(path, &bytes, error.valid_up_to()))?;
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(&*bytes);
    let mut lines = reader.records().map(|record| Line::new(path, text, record));
    expect_header(path, lines.next().transpose()?)?;
    let pairs: Vec<_> = lines.map(|line| line?.pair()).collect::<Result<_, _>>()?;
    if pairs.is_empty() { Err(wrong_line(path, 2, "no pairs below the header".to_owned())) } else { Ok(pairs) }
}

fn expect_header(path: &Path, header: Option<Line<'_>>) -> Result<(), DataError> {
    let Some(header) = header else { return Err(wrong_line(path, 1, "the file is empty".to_owned())) };
    match header.fields[..] {
        [ref x, ref y] if x == "x" && y == "y" => Ok(()),
        _ => Err(header.wrong(format!("the header is {:?}", header.fields.join(",")))),
    }
}

/// The fields of a line, and where it is.
struct Line<'a> {
    path: &'a Path,
    number: u64,
    fields: Vec<String>,
}

impl<'a> Line<'a> {
    fn new(path: &'a Path, text: &str, record: csv::Result<csv::StringRecord>) -> Result<Self, DataError> {
        let record = record.map_err(|error| wrong_line(path, 1, error.to_string()))?;
        let number = line_number(text, record.position().map_or(0, csv::Position::byte));
        Ok(Self { path, number, fields: record.iter().map(str::to_owned).collect() })
    }

    fn pair(self) -> Result<(String, String), DataError> {
        match <[String; 2]>::try_from(self.fields) {
            Ok([x, y]) if x.is_empty() || y.is_empty() => {
                Err(wrong_line(self.path, self.number, "an id is empty".to_owned()))
            }
            Ok([x, y]) => Ok((x, y)),
            Err(fields) => Err(wrong_line(self.path, self.number, format!("{} field(s) instead of 2", fields.len()))),
        }
    }

    fn wrong(&self, why: String) -> DataError {
        wrong_line(self.path, self.number, why)
    }
}

/// The line of the first character from `start` on that is no line break: csv counts the blank lines before a record
/// to the record.
fn line_number(text: &str, start: u64) -> u64 {
    let start = start as usize;
    let blank = text.as_bytes()[start..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
    text.as_bytes()[..start + blank].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1
}

fn not_text(path: &Path, bytes: &[u8], valid: usize) -> DataError {
    let line = bytes[..valid].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
    wrong_line(path, line, "not UTF-8 text".to_owned())
}

fn wrong_line(path: &Path, line: u64, why: String) -> DataError {
    DataError::Pairs { path: path.to_owned(), line, why }
}

/// Row numbers `(in x, in y)` of each pair, in the order of the pairs.
///
/// # Errors
/// [`DataError::UnknownId`] with the first pair with an id that its side does not have.
pub fn join(
    pairs: &[(String, String)],
    x_ids: &[String],
    y_ids: &[String],
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let (x_rows, y_rows) = (rows_of(x_ids), rows_of(y_ids));
    let mut rows = (Vec::with_capacity(pairs.len()), Vec::with_capacity(pairs.len()));
    for (index, (x, y)) in pairs.iter().enumerate() {
        rows.0.push(row_of(&x_rows, x, "x", index)?);
        rows.1.push(row_of(&y_rows, y, "y", index)?);
    }
    Ok(rows)
}

fn rows_of(ids: &[String]) -> HashMap<&str, usize> {
    ids.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect()
}

fn row_of(rows: &HashMap<&str, usize>, id: &str, side: &'static str, index: usize) -> Result<usize, DataError> {
    let unknown = || DataError::UnknownId { pair: index + 1, side, id: id.to_owned(), count: rows.len() };
    rows.get(id).copied().ok_or_else(unknown)
}

/// Row numbers `(in x, in y)` of the ids that both sides have, in the order of x: the pairs when nobody names them.
///
/// # Errors
/// [`DataError::NoCommonIds`] when there are none, with an example of each side.
pub fn join_by_id(x_ids: &[String], y_ids: &[String]) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let y_rows = rows_of(y_ids);
    let both = x_ids.iter().enumerate().filter_map(|(row, id)| Some((row, *y_rows.get(id.as_str())?)));
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

    fn read(text: &[u8]) -> Result<Vec<(String, String)>, DataError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_pairs(file.path())
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(x, y)| (x.to_owned(), y.to_owned())).collect()
    }

    fn line_of(text: &[u8]) -> u64 {
        match read(text) {
            Err(DataError::Pairs { line, .. }) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pairs_are_read_with_quotes_spaces_windows_lines_and_a_byte_order_mark() {
        let expected = pairs(&[("1", "a"), ("2", "b,c")]);
        assert_eq!(read(b"x,y\n1,a\n2,\"b,c\"\n").unwrap(), expected);
        assert_eq!(read(b"\xef\xbb\xbfx, y\r\n1, a\r\n\r\n2,\"b,c\"").unwrap(), expected);
    }

    #[test]
    fn wrong_lines_are_named() {
        assert_eq!(line_of(b""), 1);
        assert_eq!(line_of(b"1,a\n2,b\n"), 1);
        assert_eq!(line_of(b"x,y\n"), 2);
        assert_eq!(line_of(b"x,y\n1,a\n2\n"), 3);
        assert_eq!(line_of(b"x,y\n1,a\n\n2,b,c\n"), 4);
        assert_eq!(line_of(b"x,y\n1,a\n2,\n"), 3);
        assert_eq!(line_of(b"x,y\n1,a\n2,\xff\n"), 3);
        assert!(matches!(read_pairs(Path::new("no/such.csv")), Err(DataError::Read { .. })));
    }

    #[test]
    fn a_join_follows_the_pairs_and_may_repeat_rows() {
        let rows = join(&pairs(&[("b", "1"), ("a", "2"), ("b", "2")]), &ids(&["a", "b"]), &ids(&["1", "2"]));
        assert_eq!(rows.unwrap(), (vec![1, 0, 1], vec![0, 1, 1]));
    }

    #[test]
    fn an_unknown_id_is_named_with_its_pair_and_side() {
        let error = join(&pairs(&[("a", "1"), ("a", "9")]), &ids(&["a"]), &ids(&["1"])).unwrap_err();
        assert!(error.to_string().starts_with("pair 2 (counted below the header): y id \"9\""), "{error}");
    }

    #[test]
    fn without_pairs_equal_ids_belong_together() {
        assert_eq!(join_by_id(&ids(&["c", "a", "b"]), &ids(&["b", "c"])).unwrap(), (vec![0, 2], vec![1, 0]));
        let error = join_by_id(&ids(&["a"]), &ids(&["1", "2"])).unwrap_err();
        assert!(error.to_string().contains("\"a\"") && error.to_string().contains("\"1\""), "{error}");
    }
}
