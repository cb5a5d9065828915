//! Downloads of files whose digests are known, with the program `curl`.

mod curl;
mod partial_file;
#[cfg(test)]
mod tests;

use crate::{DatasetError, DownloadError};
use curl::{Curl, Piece, Status};
use partial_file::PartialFile;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zbridge_core::{Interrupted, Observer, Stage};

/// A file that all mirrors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name, on a mirror and on the disk.
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// Downloads files from the first mirror that has them, continues interrupted downloads, and
/// accepts only files with the right SHA-256.
///
/// The transfer itself is made by the program `curl`, which comes with macOS, Windows and most
/// Linux systems. Proxies are those of its environment variables (`https_proxy`).
#[derive(Debug, Clone)]
pub struct Downloader {
    mirrors: Vec<String>,
    stall_limit: Duration,
    tries: usize,
    program: String,
}

/// Why a try ended without the file.
enum Failure {
    /// The connection was cut or stalled: the bytes that came stay, and the next try continues.
    Retry(String),
    /// This mirror does not have the file.
    GiveUp(String),
    /// No mirror can help.
    Fatal(DatasetError),
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Self {
        Self::Fatal(error)
    }
}

impl From<Interrupted> for Failure {
    fn from(interrupted: Interrupted) -> Self {
        Self::Fatal(interrupted.into())
    }
}

/// How often the observer is called while no byte arrives.
const POLL: Duration = Duration::from_millis(100);

impl Downloader {
    /// Returns a downloader from these base addresses in their order, each ending in `/`. It makes
    /// 4 tries a mirror, and ends a try after 20 s without a byte.
    pub fn new<S: Into<String>>(mirrors: impl IntoIterator<Item = S>) -> Self {
        Self {
            mirrors: mirrors.into_iter().map(Into::into).collect(),
            stall_limit: Duration::from_secs(20),
            tries: 4,
            program: "curl".to_owned(),
        }
    }

    /// Returns the downloader with another limit on the time without a byte. Between two tries it
    /// waits for a twentieth of this time.
    #[must_use]
    pub fn stall_limit(self, stall_limit: Duration) -> Self {
        Self {
            stall_limit,
            ..self
        }
    }

    /// Returns the downloader with another number of tries a mirror, at least one.
    #[must_use]
    pub fn tries(self, tries: usize) -> Self {
        Self {
            tries: tries.max(1),
            ..self
        }
    }

    /// Returns the path of `file` in `folder`, and downloads it if it is not there. The folder is
    /// made if it does not exist.
    ///
    /// Bytes are written to `NAME.part`, which a later call continues, and which is renamed to
    /// `NAME` when its digest is right. The observer is called with every piece.
    ///
    /// # Errors
    /// [`DatasetError::Download`] with what is wrong with each mirror, or if `curl` is missing or
    /// another process downloads the file; [`FileError::Write`](zbridge_data::FileError::Write) if
    /// the folder cannot be written; [`DatasetError::Interrupted`]. Then there is no `NAME`.
    pub fn fetch(
        &self,
        file: &RemoteFile,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<PathBuf, DatasetError> {
        let path = folder.join(file.name);
        if path.is_file() {
            return Ok(path);
        }
        let mut part = PartialFile::open(file, folder)?;
        if !part.is_complete()? {
            self.fetch_from_mirrors(&mut part, observer)?;
        }
        part.rename_to(path)
    }

    fn fetch_from_mirrors(
        &self,
        part: &mut PartialFile<'_>,
        observer: &dyn Observer,
    ) -> Result<(), DatasetError> {
        let mut reasons = Vec::new();
        for address in self.addresses(part.file) {
            match self.fetch_from(&address, part, observer) {
                Ok(()) => return Ok(()),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Retry(reason) | Failure::GiveUp(reason)) => {
                    reasons.push(format!("{address}: {reason}"));
                }
            }
        }
        part.remove_if_empty();
        Err(part.error(DownloadError::NoMirror { reasons }))
    }

    /// Makes several tries with one mirror.
    fn fetch_from(
        &self,
        address: &str,
        part: &mut PartialFile<'_>,
        observer: &dyn Observer,
    ) -> Result<(), Failure> {
        let mut tried = self.try_once(address, part, observer);
        for _ in 1..self.tries {
            if !matches!(tried, Err(Failure::Retry(_))) {
                break;
            }
            // A server that refuses a request at once may answer a moment later.
            std::thread::sleep(self.stall_limit / 20);
            tried = self.try_once(address, part, observer);
        }
        tried
    }

    /// Receives the rest of the file, and compares its digest.
    fn try_once(
        &self,
        address: &str,
        part: &mut PartialFile<'_>,
        observer: &dyn Observer,
    ) -> Result<(), Failure> {
        // As long as the file, but not complete: its bytes are wrong.
        if part.received >= part.file.bytes {
            part.truncate(0)?;
        }
        let first_byte = part.received;
        let mut curl = self.start_curl(address, part)?;
        self.receive(&mut curl, part, observer)?;
        let status = curl.finish();
        let status = status.map_err(|reason| part.error(DownloadError::Curl(reason)))?;
        expect_success(status, part, first_byte)?;
        expect_whole(part, first_byte)
    }

    fn start_curl(&self, address: &str, part: &PartialFile<'_>) -> Result<Curl, DatasetError> {
        let curl = Curl::start(&self.program, address, part.received, self.stall_limit);
        curl.map_err(|reason| {
            part.error(match reason.kind() {
                io::ErrorKind::NotFound => DownloadError::NoCurl {
                    addresses: self.addresses(part.file),
                },
                _ => DownloadError::Curl(reason),
            })
        })
    }

    fn addresses(&self, file: &RemoteFile) -> Vec<String> {
        let mirrors = self.mirrors.iter();
        mirrors
            .map(|mirror| format!("{mirror}{}", file.name))
            .collect()
    }

    /// Appends what curl receives, until it ends.
    fn receive(
        &self,
        curl: &mut Curl,
        part: &mut PartialFile<'_>,
        observer: &dyn Observer,
    ) -> Result<(), Failure> {
        let name = format!("downloading {}", part.file.name);
        let stage = Stage::resumed(observer, name, part.received, part.file.bytes);
        let mut last_byte = Instant::now();
        loop {
            match curl.next_piece(POLL) {
                Piece::End => return Ok(()),
                Piece::Bytes(bytes) => {
                    last_byte = Instant::now();
                    append(part, &bytes)?;
                    stage.advance(bytes.len() as u64)?;
                }
                Piece::Pending => {
                    stage.check()?;
                    if last_byte.elapsed() > self.stall_limit {
                        return Err(Failure::Retry(part.broken_off("no more bytes came")));
                    }
                }
            }
        }
    }
}

/// Appends bytes to the part, but not beyond the length of the file.
fn append(part: &mut PartialFile<'_>, bytes: &[u8]) -> Result<(), Failure> {
    let expected = part.file.bytes;
    if part.received + bytes.len() as u64 > expected {
        part.truncate(0)?;
        let reason = format!("the server sends more than the {expected} bytes of the file");
        return Err(Failure::GiveUp(reason));
    }
    Ok(part.append(bytes)?)
}

/// Returns an error unless curl succeeded; the part had `first_byte` bytes before.
fn expect_success(
    status: Status,
    part: &mut PartialFile<'_>,
    first_byte: u64,
) -> Result<(), Failure> {
    // Some versions of curl take the answer "there is nothing after this byte" as a success.
    let nothing_came = first_byte > 0 && first_byte == part.received;
    if status.cannot_resume || (status.is_success && nothing_came) {
        part.truncate(0)?;
        let reason = "the server cannot continue a download";
        return Err(Failure::Retry(reason.to_owned()));
    }
    if status.is_success {
        return Ok(());
    }
    Err(match status.is_worth_a_retry {
        true => Failure::Retry(part.broken_off(&status.message)),
        false => Failure::GiveUp(status.message),
    })
}

/// Returns an error unless the part is the whole file; then it is emptied. It had `first_byte`
/// bytes before this try.
fn expect_whole(part: &mut PartialFile<'_>, first_byte: u64) -> Result<(), Failure> {
    if part.is_complete()? {
        return Ok(());
    }
    let (received, expected) = (part.received, part.file.bytes);
    if received < expected {
        part.truncate(first_byte)?;
        let (sent, wanted) = (received - first_byte, expected - first_byte);
        let reason = format!("the server sends {sent} bytes where {wanted} belong");
        return Err(Failure::GiveUp(reason));
    }
    part.truncate(0)?;
    let reason = "the bytes are not those of the file (wrong SHA-256); they were deleted";
    // If earlier bytes were there, they may be the wrong ones: a try from the start tells.
    Err(match first_byte {
        0 => Failure::GiveUp(reason.to_owned()),
        _ => Failure::Retry(reason.to_owned()),
    })
}
