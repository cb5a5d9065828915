//! Curves as TensorBoard reads them, while they grow.

mod event;
mod record;

use crate::ReportError;
use event::What;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A TensorBoard event file that is being written: named figures over the steps of a run.
///
/// Whatever was written can be seen at once: a record goes to the system whole and in one piece.
/// Unlike the other files of this crate, an event file grows; a run that breaks off leaves what it
/// had. The times are the caller's, so that the same calls give the same bytes.
///
/// ```
/// use std::time::SystemTime;
/// use zbridge_report::EventFile;
///
/// let folder = tempfile::tempdir()?;
/// let mut file = EventFile::create(folder.path(), SystemTime::now())?;
/// file.begin_session(SystemTime::now(), 1)?;
/// file.write_scalars(SystemTime::now(), 1, &[("train/objective_nats", -3.5), ("train/learning_rate", 1e-3)])?;
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
    /// A new event file in `folder`, which is made where it is missing. No file is ever written
    /// over: a folder with event files of the same run gets another, which TensorBoard reads after
    /// them.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] where the folder cannot be made or written.
    pub fn create(folder: &Path, now: SystemTime) -> Result<Self, ReportError> {
        std::fs::create_dir_all(folder).map_err(failed(folder, "making this folder"))?;
        let (path, file) = new_file(folder, seconds(now))?;
        let mut file = Self { path, file };
        file.append(&event::encoded(now, 0, What::FileVersion))?;
        Ok(file)
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that steps from `first_step` on are told from here. TensorBoard forgets what earlier
    /// files of the folder tell of them: a run that goes on from before its end shows no step
    /// twice, one that begins anew replaces the old.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] where it cannot be written.
    pub fn begin_session(&mut self, now: SystemTime, first_step: u64) -> Result<(), ReportError> {
        self.append(&event::encoded(now, first_step, What::SessionStart))
    }

    /// Writes the figures of `step`, each with its tag: `group/name`. TensorBoard holds them as
    /// f32.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] where they cannot be written.
    pub fn write_scalars(
        &mut self,
        now: SystemTime,
        step: u64,
        figures: &[(&str, f64)],
    ) -> Result<(), ReportError> {
        self.append(&event::encoded(now, step, What::Scalars(figures)))
    }

    /// Takes the file away again, for a run that never began.
    ///
    /// # Errors
    /// [`ReportError::EventFile`] where it cannot be removed.
    pub fn remove(self) -> Result<(), ReportError> {
        std::fs::remove_file(&self.path).map_err(failed(&self.path, "removing it"))
    }

    fn append(&mut self, event: &[u8]) -> Result<(), ReportError> {
        self.file
            .write_all(&record::framed(event))
            .map_err(failed(&self.path, "writing a record"))
    }
}

/// The first name of this second that is free. The seconds come first, so that files sort by age.
fn new_file(folder: &Path, seconds: u64) -> Result<(PathBuf, File), ReportError> {
    let name = format!("events.out.tfevents.{seconds:010}.zbridge");
    let mut path = folder.join(&name);
    for number in 1.. {
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                path = folder.join(format!("{name}.{number}"))
            }
            opened => {
                return opened
                    .map_err(failed(&path, "making it"))
                    .map(|file| (path, file));
            }
        }
    }
    unreachable!("some name is free")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
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
    use std::time::Duration;

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
        let mut expected = record::framed(&event::encoded(noon(), 0, What::FileVersion));
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
        file.begin_session(noon(), 6).unwrap();
        file.write_scalars(noon(), 6, &[("a", 1.0)]).unwrap();
        expected.extend(record::framed(&event::encoded(
            noon(),
            6,
            What::SessionStart,
        )));
        expected.extend(record::framed(&event::encoded(
            noon(),
            6,
            What::Scalars(&[("a", 1.0)]),
        )));
        assert_eq!(std::fs::read(file.path()).unwrap(), expected);
    }

    #[test]
    fn files_of_one_second_stand_side_by_side_and_sort_by_age() {
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
    fn a_file_that_never_began_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        EventFile::create(folder.path(), noon())
            .unwrap()
            .remove()
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
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
