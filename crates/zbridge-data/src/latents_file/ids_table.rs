use crate::row_sink::atomically;
use crate::{DataError, read_bytes};
use std::path::{Path, PathBuf};

/// Ids, and classes where known, in a table beside the file of latents: `x.ids.csv` for `x.npy`.
pub(super) struct IdsTable {
    pub(super) path: PathBuf,
    pub(super) ids: Vec<String>,
    pub(super) labels: Option<Vec<u8>>,
}

impl IdsTable {
    /// Where the table of this file would be.
    pub(super) fn place(latents: &Path) -> PathBuf {
        latents.with_extension("ids.csv")
    }

    /// The table beside the file, where there is one.
    pub(super) fn beside(latents: &Path) -> Result<Option<Self>, DataError> {
        let path = Self::place(latents);
        if path.is_file() {
            Self::read(path).map(Some)
        } else {
            Ok(None)
        }
    }

    fn read(path: PathBuf) -> Result<Self, DataError> {
        let bytes = read_bytes(&path)?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(&*bytes);
        let mut lines = reader
            .records()
            .map(|record| record.map_err(|error| unreadable(&path, &error)));
        let header = lines.next().transpose()?.unwrap_or_default();
        let labelled = match header.iter().collect::<Vec<_>>()[..] {
            ["id"] => false,
            ["id", "label"] => true,
            _ => {
                return Err(wrong(
                    &path,
                    1,
                    format!("the header is {:?}", joined(&header)),
                ));
            }
        };
        let (mut ids, mut labels) = (vec![], vec![]);
        for record in lines {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            match (record.iter().collect::<Vec<_>>()[..].as_ref(), labelled) {
                ([id], false) => ids.push((*id).to_owned()),
                ([id, label], true) => {
                    ids.push((*id).to_owned());
                    labels.push(class(&path, line, label)?);
                }
                (fields, _) => {
                    return Err(wrong(&path, line, format!("{} field(s)", fields.len())));
                }
            }
        }
        Ok(Self {
            path,
            ids,
            labels: labelled.then_some(labels),
        })
    }
}

/// Writes a table of ids, whole or not at all; `then` writes what belongs to it, before the table
/// appears.
pub(super) fn write_ids<E: From<DataError>>(
    latents: &Path,
    blocks: impl Iterator<Item = Result<Vec<String>, DataError>>,
    then: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let table = IdsTable::place(latents);
    let failed = |reason: csv::Error| DataError::Write {
        path: table.clone(),
        reason: reason.into(),
    };
    atomically(&table, |file| {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(["id"]).map_err(failed)?;
        for ids in blocks {
            ids?.iter()
                .try_for_each(|id| writer.write_record([id]))
                .map_err(failed)?;
        }
        writer.flush().map_err(|reason| failed(reason.into()))?;
        drop(writer);
        then()
    })
}

fn class(path: &Path, line: u64, label: &str) -> Result<u8, DataError> {
    label.parse().map_err(|_| {
        wrong(
            path,
            line,
            format!("the label is {label:?}, no whole number from 0 to 255"),
        )
    })
}

fn joined(record: &csv::StringRecord) -> String {
    record.iter().collect::<Vec<_>>().join(",")
}

fn unreadable(path: &Path, error: &csv::Error) -> DataError {
    wrong(
        path,
        error.position().map_or(1, csv::Position::line),
        error.to_string(),
    )
}

fn wrong(path: &Path, line: u64, why: String) -> DataError {
    DataError::IdsTable {
        path: path.to_owned(),
        line,
        why,
    }
}
