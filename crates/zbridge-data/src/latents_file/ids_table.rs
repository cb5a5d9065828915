use super::roles::{IDS, IDS_KEY};
use crate::container::ArrayFile;
use crate::error::{AtPath, IoAtPath};
use crate::files::{read_bytes, replace_with};
use crate::{DataError, FileError, RowsError};
use csv::{Position, ReaderBuilder, StringRecord, Trim, Writer};
use std::path::{Path, PathBuf};

/// Ids, and classes where known, in a table beside the file of latents: `x.ids.csv` for `x.npy`.
pub(super) struct IdsTable {
    pub(super) path: PathBuf,
    pub(super) ids: Vec<String>,
    pub(super) labels: Option<Vec<u8>>,
}

impl IdsTable {
    /// Returns the path of the table of a latents file.
    pub(super) fn path_for(latents: &Path) -> PathBuf {
        latents.with_extension("ids.csv")
    }

    /// Returns the table of a file that has no ids itself; `None` if it has, or if there is no
    /// table.
    pub(super) fn of(file: &ArrayFile<'_>) -> Result<Option<Self>, DataError> {
        let path = Self::path_for(&file.path);
        let has_ids = file.find(&IDS).is_some() || file.metadata.contains_key(IDS_KEY);
        if has_ids || !path.is_file() {
            return Ok(None);
        }
        let bytes = read_bytes(&path)?;
        let rows = read_rows(&bytes).at(&path)?;
        Ok(Some(Self {
            path,
            ids: rows.ids,
            labels: rows.labels,
        }))
    }
}

#[derive(Default)]
struct Rows {
    ids: Vec<String>,
    labels: Option<Vec<u8>>,
}

fn read_rows(bytes: &[u8]) -> Result<Rows, RowsError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        // Lines with another number of fields have an error of their own.
        .flexible(true)
        .trim(Trim::All)
        .from_reader(bytes);
    let mut records = reader.records();
    let header = records.next().transpose().map_err(unreadable)?;
    let mut rows = Rows {
        ids: vec![],
        labels: has_labels(&header.unwrap_or_default())?.then(Vec::new),
    };
    for record in records {
        rows.push(&record.map_err(unreadable)?)?;
    }
    Ok(rows)
}

/// Returns whether the table has a column of labels.
fn has_labels(header: &StringRecord) -> Result<bool, RowsError> {
    let fields: Vec<&str> = header.iter().collect();
    match fields[..] {
        ["id"] => Ok(false),
        ["id", "label"] => Ok(true),
        _ => Err(wrong(1, format!("the header is {:?}", fields.join(",")))),
    }
}

impl Rows {
    fn push(&mut self, record: &StringRecord) -> Result<(), RowsError> {
        let line = record.position().map_or(0, Position::line);
        let fields: Vec<&str> = record.iter().collect();
        match (&fields[..], &mut self.labels) {
            ([id], None) => self.ids.push((*id).to_owned()),
            ([id, label], Some(labels)) => {
                self.ids.push((*id).to_owned());
                labels.push(class(line, label)?);
            }
            _ => return Err(wrong(line, format!("{} field(s)", fields.len()))),
        }
        Ok(())
    }
}

fn class(line: u64, label: &str) -> Result<u8, RowsError> {
    let wrong_label = |_| {
        let reason = format!("the label is {label:?}, not a whole number from 0 to 255");
        wrong(line, reason)
    };
    label.parse().map_err(wrong_label)
}

fn unreadable(error: csv::Error) -> RowsError {
    let line = error.position().map_or(1, Position::line);
    wrong(line, error.to_string())
}

fn wrong(line: u64, reason: String) -> RowsError {
    RowsError::IdsTable { line, reason }
}

/// Writes the table of ids of a latents file, whole or not at all. `write_latents` writes the
/// latents file itself, before the table appears: neither appears without the other.
pub(super) fn write_ids<E: From<DataError>>(
    latents: &Path,
    blocks: impl Iterator<Item = Result<Vec<String>, DataError>>,
    write_latents: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let path = IdsTable::path_for(latents);
    let failed = |reason: csv::Error| FileError::Write(reason.into()).at(&path);
    // The table is renamed last: a table without its latents would name rows of another file.
    replace_with(&path, |file| {
        let mut writer = Writer::from_writer(file);
        writer.write_record(["id"]).map_err(failed)?;
        for ids in blocks {
            for id in ids? {
                writer.write_record([id]).map_err(failed)?;
            }
        }
        writer.flush().written_at(&path)?;
        write_latents()
    })
}
