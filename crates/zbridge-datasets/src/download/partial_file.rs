use super::RemoteFile;
use crate::{DatasetError, DownloadError};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use zbridge_core::hexadecimal;
use zbridge_data::FileError;

/// The unfinished file `NAME.part`, locked against other processes.
pub(super) struct PartialFile<'a> {
    pub(super) file: &'a RemoteFile,
    /// Bytes in the file.
    pub(super) received: u64,
    folder: PathBuf,
    path: PathBuf,
    handle: File,
}

impl<'a> PartialFile<'a> {
    /// Opens the file in `folder`; both are made if they do not exist.
    pub(super) fn open(file: &'a RemoteFile, folder: &Path) -> Result<Self, DatasetError> {
        let path = folder.join(format!("{}.part", file.name));
        let (handle, received) =
            open(folder, &path).map_err(|reason| FileError::Write(reason).at(&path))?;
        let part = Self {
            file,
            received,
            folder: folder.to_owned(),
            path,
            handle,
        };
        // File systems without locks exist; a lock that another process holds is an error.
        if matches!(part.handle.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(part.error(DownloadError::Busy));
        }
        Ok(part)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), DatasetError> {
        // The digest moved the position.
        let sought = self.handle.seek(SeekFrom::Start(self.received));
        let written = sought.and_then(|_| self.handle.write_all(bytes));
        self.received += bytes.len() as u64;
        self.written(written)
    }

    pub(super) fn truncate(&mut self, bytes: u64) -> Result<(), DatasetError> {
        self.received = bytes;
        let truncated = self.handle.set_len(bytes);
        self.written(truncated)
    }

    /// Returns whether length and digest are those of the whole file.
    pub(super) fn is_complete(&mut self) -> Result<bool, DatasetError> {
        if self.received != self.file.bytes {
            return Ok(false);
        }
        let digest = self.digest();
        Ok(self.written(digest)? == self.file.sha256)
    }

    fn digest(&mut self) -> io::Result<String> {
        let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
        self.handle.seek(SeekFrom::Start(0))?;
        loop {
            match self.handle.read(&mut piece)? {
                0 => return Ok(hexadecimal(&hash.finalize())),
                count => hash.update(&piece[..count]),
            }
        }
    }

    /// Gives the complete file its name.
    pub(super) fn rename_to(self, path: PathBuf) -> Result<PathBuf, DatasetError> {
        // The name of the file promises its bytes, also after a power cut.
        let synced = self.handle.sync_all();
        let renamed = synced.and_then(|()| fs::rename(&self.path, &path));
        self.written(renamed)?;
        Ok(path)
    }

    pub(super) fn remove_if_empty(&self) {
        if self.received == 0 {
            // An empty file does no harm if it stays.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Returns why the connection ended, with the bytes that came.
    pub(super) fn broken_off(&self, reason: &str) -> String {
        let (received, expected) = (self.received, self.file.bytes);
        format!("broke off after {received} of {expected} bytes: {reason}")
    }

    pub(super) fn error(&self, fault: DownloadError) -> DatasetError {
        DatasetError::Download {
            file: self.file.name.to_owned(),
            fault,
            cache: self.folder.clone(),
        }
    }

    fn written<T>(&self, result: io::Result<T>) -> Result<T, DatasetError> {
        Ok(result.map_err(|reason| FileError::Write(reason).at(&self.path))?)
    }
}

/// Returns the open file and its length.
fn open(folder: &Path, path: &Path) -> io::Result<(File, u64)> {
    fs::create_dir_all(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let handle = options.open(path)?;
    let length = handle.metadata()?.len();
    Ok((handle, length))
}
