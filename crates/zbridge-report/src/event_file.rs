//! Curves as TensorBoard reads them, while they grow.

mod event;
mod record;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::ReportError;
use event::{Content, encode_event, seconds_since_1970};
use record::encode_record;

/// A TensorBoard event file that is being written: named numbers over the steps of a run.
///
/// What is written can be seen at once: each record goes to the operating system in one piece.
/// Unlike other files of this crate, an event file grows, and a run that breaks off keeps what it
/// wrote. The caller passes the times, so the same calls write the same bytes.
///
/// ```
/// use std::time::SystemTime;
/// use zbridge_report::EventFile;
///
/// let folder = tempfile::tempdir()?;
/// let now = SystemTime::now();
/// let mut file = EventFile::create(folder.path(), now)?;
/// file.begin_session(now, 1)?;
/// file.write_scalars(now, 1, &[("train/objective_nats", -3.5), ("train/learning_rate", 1e-3)])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// Framing: `tensorflow/core/lib/io/record_writer.h`. Messages: `event.proto` and `summary.proto`
/// of `tensorboard/compat/proto`. Name and first record: `tensorflow/core/util/events_writer.cc`.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// A new event file in `folder`, which is created if it is missing.
    ///
    /// No file is overwritten: a folder with event files of the same run gets another one, which
    /// TensorBoard reads after them.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] if the folder cannot be created or written.
    pub fn create(folder: &Path, now: SystemTime) -> Result<Self, ReportError> {
        std::fs::create_dir_all(folder).map_err(failed(folder, "making this folder"))?;
        let mut file = create_new_file(folder, now)?;
        // TensorBoard reads the format from the first record.
        file.append(&encode_event(now, 0, &Content::FileVersion))?;
        Ok(file)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes that steps from `first_step` on follow.
    ///
    /// TensorBoard then forgets what earlier files of the folder say about these steps: a run that
    /// continues from before its end shows no step twice, and one that starts again replaces the
    /// old run.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] if the file cannot be written.
    pub fn begin_session(&mut self, now: SystemTime, first_step: u64) -> Result<(), ReportError> {
        self.append(&encode_event(now, first_step, &Content::SessionStart))
    }

    /// Writes the numbers of `step`, each with its tag `group/name`. TensorBoard stores them as
    /// f32.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] if the file cannot be written.
    pub fn write_scalars(
        &mut self,
        now: SystemTime,
        step: u64,
        scalars: &[(&str, f64)],
    ) -> Result<(), ReportError> {
        self.append(&encode_event(now, step, &Content::Scalars(scalars)))
    }

    /// Removes the file, for a run that never started.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] if the file cannot be removed.
    pub fn remove(self) -> Result<(), ReportError> {
        std::fs::remove_file(&self.path).map_err(failed(&self.path, "removing it"))
    }

    fn append(&mut self, event: &[u8]) -> Result<(), ReportError> {
        self.file
            // In one call, so that a reader never sees half a record.
            .write_all(&encode_record(event))
            .map_err(failed(&self.path, "writing a record"))
    }
}

/// An empty file with the first name of this second that is free.
fn create_new_file(folder: &Path, now: SystemTime) -> Result<EventFile, ReportError> {
    // The seconds come first in the name, so that files sort by age.
    let seconds = seconds_since_1970(now) as u64;
    let name = format!("events.out.tfevents.{seconds:010}.zbridge");
    let mut path = folder.join(&name);
    let mut number = 0;
    loop {
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok(EventFile { path, file }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Another run started in the same second.
                number += 1;
                path = folder.join(format!("{name}.{number}"));
            }
            Err(error) => return Err(failed(&path, "making it")(error)),
        }
    }
}

fn failed(path: &Path, step: &'static str) -> impl FnOnce(std::io::Error) -> ReportError {
    move |source| ReportError::EventFile {
        path: path.to_owned(),
        step,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    #[test]
    fn a_file_holds_its_records_in_order_as_soon_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(&folder.path().join("a/run"), noon()).unwrap();
        assert!(
            file.path()
                .ends_with("a/run/events.out.tfevents.1700000000.zbridge")
        );
        let mut expected = encode_record(&encode_event(noon(), 0, &Content::FileVersion));
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
        file.begin_session(noon(), 6).unwrap();
        file.write_scalars(noon(), 6, &[("a", 1.0)]).unwrap();
        expected.extend(encode_record(&encode_event(
            noon(),
            6,
            &Content::SessionStart,
        )));
        expected.extend(encode_record(&encode_event(
            noon(),
            6,
            &Content::Scalars(&[("a", 1.0)]),
        )));
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
    }

    #[test]
    fn files_of_one_second_have_different_names_and_sort_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let made: Vec<PathBuf> = (0..3)
            .map(|_| {
                EventFile::create(folder.path(), noon())
                    .unwrap()
                    .path()
                    .to_owned()
            })
            .collect();
        let mut sorted = made.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((made.len(), &made), (3, &sorted));
    }

    #[test]
    fn the_file_of_a_run_that_never_started_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        EventFile::create(folder.path(), noon())
            .unwrap()
            .remove()
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_error_names_a_folder_that_cannot_be_created() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::write(&taken, b"a file").unwrap();
        let message = EventFile::create(&taken, noon()).unwrap_err().to_string();
        assert!(
            message.contains("taken") && message.contains("making this folder"),
            "{message}"
        );
    }
}
