use std::io;
use std::path::PathBuf;
use zbridge_core::{ShapeError, VocabularyError};

/// What can be wrong with data that comes in, or with a place that data goes to.
///
/// Rows, columns and bytes count from 0; lines and pairs count from 1, as editors do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be opened or read.
    #[error("{path}: cannot be read: {reason}; check the path and its permissions")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A file cannot be written.
    #[error(
        "{path}: cannot be written: {reason}; nothing was written; check that the folder exists, that you may write there, and that there is space"
    )]
    Write {
        /// The file that was to appear.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Another process holds the file.
    #[error(
        "{path}: another process is downloading this file; wait for it to finish, then run again"
    )]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// A file starts with other bytes than its format asks for.
    #[error("{path}: not {format}: it starts with {found}; check that this is the right file")]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// The format that was expected, with its article.
        format: &'static str,
        /// What was found, in words or hexadecimal.
        found: String,
    },
    /// A file's header makes no sense.
    #[error(
        "{path}: the header is wrong: {why}; the file is damaged or of another kind: get it again"
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file holds fewer bytes than its header promises.
    #[error(
        "{path}: ends too early: {expected} bytes expected, {found} found; copy or download it again"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header promises, itself included (after decompression).
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A file holds more bytes than its header promises.
    #[error(
        "{path}: goes on after its data: {expected} bytes expected, more found; the header or the file is wrong: get it again"
    )]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Bytes that the header promises, itself included (after decompression).
        expected: u64,
    },
    /// The compressed data is damaged.
    #[error("{path}: the gzip data is damaged: {reason}; copy or download it again")]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: io::Error,
    },
    /// The numbers of a file are of a type that is not read here.
    #[error("{path}: {tensor} has type {found}; expected {expected}: convert it before saving")]
    NumberType {
        /// The file.
        path: PathBuf,
        /// Which array of the file.
        tensor: String,
        /// The types that are read.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// An array has the wrong shape.
    #[error("{path}: {tensor} has shape {found:?}; expected {expected}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Which array of the file.
        tensor: String,
        /// The shape that belongs here.
        expected: String,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A value is NaN or infinite, or the numbers make no rows.
    #[error("{path}: {tensor}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Which array of the file.
        tensor: String,
        /// What is wrong, with row and column.
        reason: ShapeError,
    },
    /// A standard deviation is zero or negative.
    #[error(
        "{path}: {tensor}, row {row}, column {column} is {value}: a standard deviation must be positive"
    )]
    ScaleNotPositive {
        /// The file.
        path: PathBuf,
        /// Which array of the file.
        tensor: String,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The offending value.
        value: f64,
    },
    /// A number that must be whole is not, or lies outside its range.
    #[error("{path}: row {row} is {value}; expected a whole number from {lowest} to {highest}")]
    NotInRange {
        /// The file.
        path: PathBuf,
        /// Row, from 0.
        row: usize,
        /// The offending value.
        value: f64,
        /// The least that is allowed.
        lowest: i64,
        /// The most that is allowed.
        highest: i64,
    },
    /// Two rows have the same id.
    #[error(
        "{path}: rows {first} and {second} have the same id {id:?}; ids must differ, or pairs would be ambiguous"
    )]
    DuplicateId {
        /// The file or folder.
        path: PathBuf,
        /// The id.
        id: String,
        /// The row where it comes first, from 0.
        first: usize,
        /// The row where it comes again.
        second: usize,
    },
    /// Two parts of a dataset have different lengths.
    #[error("{path}: {found} {what}, but {expected} rows; both must come from the same export")]
    CountMismatch {
        /// The file with the unexpected number.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A safetensors file cannot be parsed.
    #[error("{path}: not a sound safetensors file: {why}; write it again or copy it again")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        why: String,
    },
    /// An `.npz` archive cannot be read.
    #[error("{path}: not a sound npz archive: {place}: {why}; write it again or copy it again")]
    Npz {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// A Parquet file cannot be read.
    #[error(
        "{path}: not a Parquet file that is read here: {place}: {why}; write it again or copy it again"
    )]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// A column of a table has no value in some row.
    #[error(
        "{path}: {column}, row {row}: null; every row needs a value: fill it or leave the row out"
    )]
    Null {
        /// The file.
        path: PathBuf,
        /// Which column.
        column: String,
        /// Row, from 0.
        row: usize,
    },
    /// The lists of a column of a table are not equally long.
    #[error(
        "{path}: {column}, row {row}: its list is not as long as that of row 0, {expected:?}; all latents have one shape"
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Which column.
        column: String,
        /// Row, from 0.
        row: usize,
        /// The lengths of the first row's lists.
        expected: Vec<usize>,
    },
    /// A file of latents lacks an array.
    #[error("{path}: holds no {part} {wanted}; found {}", listed(found))]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// What the file's arrays are called.
        part: &'static str,
        /// The names that were looked for.
        wanted: &'static str,
        /// The arrays that the file holds.
        found: Vec<String>,
    },
    /// A file of latents says where posteriors lie, and not how wide they are.
    #[error(
        "{path}: {mean} without a spread; found {}; add `log_var` (or `logvar`, or a standard deviation `std` or `scale`), or call the means `z` if the encoder is deterministic",
        listed(found)
    )]
    MissingSpread {
        /// The file.
        path: PathBuf,
        /// The array of means.
        mean: String,
        /// The arrays that the file holds.
        found: Vec<String>,
    },
    /// A file of latents gives them in two ways.
    #[error("{path}: both `{}` and `{}`: latents are given in one way; leave one of them out", names[0], names[1])]
    AmbiguousLatents {
        /// The file.
        path: PathBuf,
        /// The two arrays.
        names: [String; 2],
    },
    /// A line of a table of ids is wrong.
    #[error(
        "{path}, line {line}: {why}; a table of ids starts with the line `id` or `id,label` and has one line for each row of the latents"
    )]
    IdsTable {
        /// The table.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Values cannot be stored in the asked format.
    #[error("{path}: cannot be stored: {why}; nothing was written")]
    Unstorable {
        /// The file that was to appear.
        path: PathBuf,
        /// Why, and what to change.
        why: String,
    },
    /// An image file cannot be decoded.
    #[error("{path}: cannot be read as an image: {why}; save it as PNG and try again")]
    Image {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        why: String,
    },
    /// An image has too few or too many pixels.
    #[error("{path}: {width}×{height} pixels; expected at least 28×28 and at most 8192×8192")]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Columns of pixels.
        width: usize,
        /// Rows of pixels.
        height: usize,
    },
    /// A picture is smaller than the model's, or of another shape.
    #[error(
        "{path}: {} × {} pixels (width × height), where the model sees {} × {}\nhint: a larger picture of the same shape will do; it is averaged down", found.0, found.1, expected.0, expected.1
    )]
    PictureShape {
        /// The file.
        path: PathBuf,
        /// Width and height of the model's images.
        expected: (usize, usize),
        /// Width and height of the picture.
        found: (usize, usize),
    },
    /// An image shows nothing.
    #[error(
        "{path}: no ink: all pixels have nearly the same brightness (transparent pixels count as white)"
    )]
    BlankImage {
        /// The file.
        path: PathBuf,
    },
    /// A folder of images holds none.
    #[error("{path}: holds no .png files")]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// A text file is not UTF-8.
    #[error("{path}, line {line}, byte {byte} of the file: not UTF-8; save the file as UTF-8 text")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The first byte that is not, from 0.
        byte: usize,
    },
    /// A text file holds no text.
    #[error("{path}: holds no text: a text is a line that is not blank")]
    NoTexts {
        /// The file.
        path: PathBuf,
    },
    /// A line is no text of the vocabulary and the length that it must have.
    #[error("{path}, line {line}, {reason}")]
    Text {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: VocabularyError,
    },
    /// Words that cannot be told from characters.
    #[error(
        "{path}: no word is longer than one character; take the texts by characters instead of words"
    )]
    SingleCharacters {
        /// The file.
        path: PathBuf,
    },
    /// A vocabulary was to be smaller than it can be.
    #[error(
        "a vocabulary of {limit} symbols; it needs 3 or more: the empty one, another, and the one for unknown ones"
    )]
    VocabularyLimit {
        /// How many there were to be.
        limit: usize,
    },
    /// A line of a pairs file is wrong.
    #[error(
        "{path}, line {line}: {why}; a pairs file starts with the line `x,y` and has one id of each on every further line; row numbers from 0 stand below `x_index` and `y_index`"
    )]
    Pairs {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A pair names an id that is not among the latents.
    #[error(
        "pair {pair} (counted below the header): {side} id {id:?} is not among the {count} ids of {side}; remove the pair or add its latents"
    )]
    UnknownId {
        /// Which pair, from 1.
        pair: usize,
        /// `x` or `y`.
        side: &'static str,
        /// The id that is missing.
        id: String,
        /// How many ids there are on that side.
        count: usize,
    },
    /// A pair names a row that is not there.
    #[error(
        "{path}, line {line}: {side}_index is {row}, but {side} has {rows} rows, numbered from 0; correct the number"
    )]
    UnknownRow {
        /// The pairs file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// `x` or `y`.
        side: &'static str,
        /// The row number there.
        row: usize,
        /// How many rows there are on that side.
        rows: usize,
    },
    /// Two sets of ids have nothing in common.
    #[error(
        "no id is in both x and y (x has {x_count}, such as {x_example:?}; y has {y_count}, such as {y_example:?}); give a pairs file"
    )]
    NoCommonIds {
        /// How many ids x has.
        x_count: usize,
        /// The first of x.
        x_example: String,
        /// How many ids y has.
        y_count: usize,
        /// The first of y.
        y_example: String,
    },
    /// A folder that was named as the dataset's does not hold it.
    #[error("{folder} ({named_by}): not a folder with MNIST; looked there and in {} for {}", folders.join(", "), missing.join("; "))]
    DatasetNotFound {
        /// The folder.
        folder: PathBuf,
        /// Who named it: a flag, a variable, the caller.
        named_by: &'static str,
        /// Sub-folders that were looked into as well.
        folders: Vec<String>,
        /// For each missing file, the names it may have.
        missing: Vec<String>,
    },
    /// Nobody named a folder, and the cache holds no dataset.
    #[error(
        "no MNIST in {cache}; give the data in one of three ways:\n{}",
        three_ways(cache)
    )]
    NoDataset {
        /// The user's cache folder for this dataset.
        cache: PathBuf,
    },
    /// The system names no cache folder.
    #[error(
        "no cache folder: the system names no home folder; pass --data DIR or set ZBRIDGE_DATA=DIR, a folder with the four MNIST files"
    )]
    NoCacheFolder,
    /// No mirror gave the file.
    #[error("{file} could not be downloaded:\n  {}\nwithout a network, give the data in one of three ways:\n{}", reasons.join("\n  "), three_ways(cache))]
    Download {
        /// The file.
        file: String,
        /// Mirror by mirror, what went wrong.
        reasons: Vec<String>,
        /// The folder where the file was to appear.
        cache: PathBuf,
    },
}

impl DataError {
    /// Whether the input is at fault, rather than the place that was to be written.
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Busy { .. })
    }
}

fn three_ways(cache: &std::path::Path) -> String {
    format!(
        "  --data DIR         a folder with the four MNIST files\n  ZBRIDGE_DATA=DIR   the same, from the environment\n  \
         or put the four files in {}",
        cache.display()
    )
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "nothing at all".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failed_writes_are_not_the_inputs_fault() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(
            !DataError::Write {
                path: "a".into(),
                reason: denied()
            }
            .is_bad_input()
        );
        assert!(
            DataError::Read {
                path: "a".into(),
                reason: denied()
            }
            .is_bad_input()
        );
    }

    #[test]
    fn an_offline_reader_is_told_the_three_ways() {
        let error = DataError::Download {
            file: "f".into(),
            reasons: vec!["m: gone".into()],
            cache: "/c/mnist".into(),
        };
        let text = error.to_string();
        for part in ["m: gone", "--data DIR", "ZBRIDGE_DATA=DIR", "/c/mnist"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
