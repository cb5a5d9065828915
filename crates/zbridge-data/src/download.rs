use crate::DataError;
use crate::mnist::hexadecimal;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body, Proxy};

/// A file as it lies on every mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name, both below the mirror and on the disk.
    pub name: &'static str,
    /// How long it is.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Bytes on the disk, those of earlier tries included.
    pub received: u64,
    /// Bytes of the whole file.
    pub total: u64,
}

/// Fetches files from the first mirror that serves them, takes interrupted downloads up again, and
/// lets nothing through that has not the right SHA-256.
#[derive(Debug, Clone)]
pub struct Downloader {
    mirrors: Vec<String>,
    stall_limit: Duration,
    tries: usize,
}

impl Downloader {
    /// Fetches from these base addresses in order, each ending in `/`: 4 tries a mirror, each given
    /// up after 20 s without a byte.
    pub fn new<S: Into<String>>(mirrors: impl IntoIterator<Item = S>) -> Self {
        Self {
            mirrors: mirrors.into_iter().map(Into::into).collect(),
            stall_limit: Duration::from_secs(20),
            tries: 4,
        }
    }

    /// With another limit on the time without a byte; a try also waits a twentieth of it before the
    /// next.
    #[must_use]
    pub fn stall_limit(self, stall_limit: Duration) -> Self {
        Self {
            stall_limit,
            ..self
        }
    }

    /// With another number of tries a mirror, at least one.
    #[must_use]
    pub fn tries(self, tries: usize) -> Self {
        Self {
            tries: tries.max(1),
            ..self
        }
    }

    /// The path of `file` in `folder`, fetched unless it is already there; the folder is made when
    /// it is absent.
    ///
    /// Bytes go to `NAME.part`, which a later call continues and which becomes `NAME` once its
    /// digest is right. `progress` hears of every piece.
    ///
    /// # Errors
    /// [`DataError::Download`] with what each mirror did, [`DataError::Write`] when the folder
    /// cannot be written, [`DataError::Busy`] when another process is at it. `NAME` is then absent.
    pub fn fetch(
        &self,
        file: &RemoteFile,
        folder: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, DataError> {
        let path = folder.join(file.name);
        if path.is_file() {
            return Ok(path);
        }
        let mut part = Part::open(file, folder)?;
        if part
            .is_finished()
            .map_err(|reason| part.unwritable(reason))?
        {
            return part.finish(path);
        }
        let mut reasons = Vec::new();
        for mirror in &self.mirrors {
            match self.fetch_from(mirror, &mut part, progress)? {
                Ok(()) => return part.finish(path),
                Err(reason) => reasons.push(format!("{mirror}{}: {reason}", file.name)),
            }
        }
        part.remove_if_empty();
        Err(DataError::Download {
            file: file.name.to_owned(),
            reasons,
            cache: folder.to_owned(),
        })
    }

    /// One mirror, up to `tries` times: the inner error says why it was given up.
    fn fetch_from(
        &self,
        mirror: &str,
        part: &mut Part<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Result<(), String>, DataError> {
        let (agent, address) = (self.agent(mirror), format!("{mirror}{}", part.file.name));
        let mut last = String::new();
        for attempt in 0..self.tries {
            if attempt > 0 {
                std::thread::sleep(self.stall_limit / 20);
            }
            match part.receive_whole(&agent, &address, progress) {
                Ok(()) => return Ok(Ok(())),
                Err(Failure::Disk(reason)) => return Err(part.unwritable(reason)),
                Err(Failure::Again(reason)) => last = reason,
                Err(Failure::Never(reason)) => return Ok(Err(reason)),
            }
        }
        Ok(Err(last))
    }

    fn agent(&self, mirror: &str) -> Agent {
        let limit = Some(self.stall_limit);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(limit)
            .timeout_connect(limit)
            .timeout_recv_response(limit)
            .timeout_per_read(limit)
            .proxy(if is_loopback(mirror) {
                None
            } else {
                Proxy::try_from_env()
            });
        config.build().new_agent()
    }
}

/// A proxy cannot reach the machine that asks it.
fn is_loopback(mirror: &str) -> bool {
    mirror.starts_with("http://127.0.0.1") || mirror.starts_with("http://localhost")
}

/// Why a try ended without the file.
enum Failure {
    /// The disk refuses.
    Disk(io::Error),
    /// The connection was cut or stalled: what came stays, and the next try goes on from there.
    Again(String),
    /// This mirror has not got it.
    Never(String),
}

/// The unfinished file, locked against other processes.
struct Part<'a> {
    file: &'a RemoteFile,
    path: PathBuf,
    handle: File,
    received: u64,
}

impl<'a> Part<'a> {
    fn open(file: &'a RemoteFile, folder: &Path) -> Result<Self, DataError> {
        let path = folder.join(format!("{}.part", file.name));
        let unwritable = |reason| DataError::Write {
            path: path.clone(),
            reason,
        };
        fs::create_dir_all(folder).map_err(unwritable)?;
        let handle = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unwritable)?;
        // A file system without locks is no reason to refuse; a lock that is held is.
        if matches!(handle.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(DataError::Busy { path });
        }
        let received = handle.metadata().map_err(unwritable)?.len();
        Ok(Self {
            file,
            path,
            handle,
            received,
        })
    }

    /// As [`receive`](Self::receive), and then the digest must be right; otherwise the part is
    /// emptied.
    fn receive_whole(
        &mut self,
        agent: &Agent,
        address: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        let resumed = self.received > 0;
        self.receive(agent, address, progress)?;
        if self.is_finished().map_err(Failure::Disk)? {
            return Ok(());
        }
        self.truncate().map_err(Failure::Disk)?;
        let reason =
            "the bytes are not those of the file (wrong SHA-256); they were deleted".to_owned();
        // Bytes of an earlier run may be to blame: those deserve a fresh start.
        Err(if resumed {
            Failure::Again(reason)
        } else {
            Failure::Never(reason)
        })
    }

    /// Appends what the server at `address` sends, from where the part ends.
    fn receive(
        &mut self,
        agent: &Agent,
        address: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        if self.received >= self.file.bytes {
            self.truncate().map_err(Failure::Disk)?;
        }
        let mut request = agent.get(address);
        if self.received > 0 {
            request = request.header("Range", format!("bytes={}-", self.received));
        }
        let response = request.call().map_err(|error| unreachable_or_cut(&error))?;
        let response = self.accept(response)?;
        self.append(response.into_body(), progress)
    }

    /// The response if its body belongs at the end of the part, which is emptied when the server
    /// starts over.
    fn accept(&mut self, response: Response<Body>) -> Result<Response<Body>, Failure> {
        match response.status().as_u16() {
            206 if starts_at(&response, self.received) => {}
            200 => self.truncate().map_err(Failure::Disk)?,
            206 | 416 => {
                self.truncate().map_err(Failure::Disk)?;
                return Err(Failure::Again(
                    "the server cannot continue a download".to_owned(),
                ));
            }
            status @ (408 | 429 | 500..=599) => {
                return Err(Failure::Again(format!("the server answers {status}")));
            }
            status => return Err(Failure::Never(format!("the server answers {status}"))),
        }
        let (offered, wanted) = (
            response.body().content_length(),
            self.file.bytes - self.received,
        );
        match offered.filter(|&offered| offered != wanted) {
            None => Ok(response),
            Some(offered) => Err(Failure::Never(format!(
                "the server offers {offered} bytes where {wanted} belong"
            ))),
        }
    }

    /// Appends `body`, but not beyond the length of the file.
    fn append(
        &mut self,
        mut body: Body,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failure> {
        self.handle
            .seek(SeekFrom::Start(self.received))
            .map_err(Failure::Disk)?;
        let mut piece = vec![0; 64 * 1024];
        let mut reader = body.as_reader().take(self.file.bytes - self.received);
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => self
                    .write(&piece[..count], progress)
                    .map_err(Failure::Disk)?,
                Err(reason) => return Err(Failure::Again(self.broken_off(&reason.to_string()))),
            }
        }
        let missing = self.received < self.file.bytes;
        if missing {
            Err(Failure::Again(self.broken_off("the connection was closed")))
        } else {
            Ok(())
        }
    }

    fn write(&mut self, piece: &[u8], progress: &mut dyn FnMut(Progress<'_>)) -> io::Result<()> {
        self.handle.write_all(piece)?;
        self.received += piece.len() as u64;
        progress(Progress {
            file: self.file.name,
            received: self.received,
            total: self.file.bytes,
        });
        Ok(())
    }

    fn broken_off(&self, reason: &str) -> String {
        format!(
            "broke off after {} of {} bytes: {reason}",
            self.received, self.file.bytes
        )
    }

    /// Whether the part is the whole file, by length and digest.
    fn is_finished(&mut self) -> io::Result<bool> {
        Ok(self.received == self.file.bytes && self.digest()? == self.file.sha256)
    }

    fn digest(&mut self) -> io::Result<String> {
        let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
        self.handle.seek(SeekFrom::Start(0))?;
        loop {
            match self.handle.read(&mut piece)? {
                0 => return Ok(hexadecimal(&hasher.finalize())),
                count => hasher.update(&piece[..count]),
            }
        }
    }

    fn truncate(&mut self) -> io::Result<()> {
        self.received = 0;
        self.handle.set_len(0)
    }

    /// Gives the finished part its name.
    fn finish(self, path: PathBuf) -> Result<PathBuf, DataError> {
        let renamed = self
            .handle
            .sync_all()
            .and_then(|()| fs::rename(&self.path, &path));
        match renamed {
            Ok(()) => Ok(path),
            Err(reason) => Err(DataError::Write { path, reason }),
        }
    }

    fn remove_if_empty(&self) {
        if self.received == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn unwritable(&self, reason: io::Error) -> DataError {
        DataError::Write {
            path: self.path.clone(),
            reason,
        }
    }
}

/// Whether a partial response continues at byte `start`.
fn starts_at(response: &Response<Body>, start: u64) -> bool {
    let range = response
        .headers()
        .get("content-range")
        .and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.trim_start().starts_with(&format!("bytes {start}-")))
}

/// A server that never answered is not asked again; one that stopped answering is.
fn unreachable_or_cut(error: &ureq::Error) -> Failure {
    let refused = |reason: &io::Error| reason.kind() == io::ErrorKind::ConnectionRefused;
    match error {
        ureq::Error::HostNotFound => Failure::Never("the host is unknown (no network?)".to_owned()),
        ureq::Error::ConnectionFailed => Failure::Never("no connection (no network?)".to_owned()),
        ureq::Error::Io(reason) if refused(reason) => Failure::Never(reason.to_string()),
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            Failure::Never(error.to_string())
        }
        _ => Failure::Again(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::thread;

    const BYTES: u64 = 200_000;

    fn content() -> Vec<u8> {
        (0..BYTES).map(|i| (i * i % 251) as u8).collect()
    }

    fn remote() -> RemoteFile {
        let sha256 = hexadecimal(&Sha256::digest(content()));
        RemoteFile {
            name: "digits.gz",
            bytes: BYTES,
            sha256: sha256.leak(),
        }
    }

    /// What the server does with one request, given the first byte that is asked for (`None`: no
    /// Range).
    type Answer = fn(TcpStream, Option<usize>);

    /// A server on this machine that answers the first request with the first answer, and so on,
    /// the last one again and again; the second value lists the ranges that were asked for.
    fn serve(answers: &'static [Answer]) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = format!("http://{}/mnist/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for (turn, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                let start = range_of(&stream);
                log.lock().unwrap().push(start);
                answers[turn.min(answers.len() - 1)](stream, start);
            }
        });
        (mirror, asked)
    }

    fn range_of(stream: &TcpStream) -> Option<usize> {
        let lines = BufReader::new(stream)
            .lines()
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty());
        let ranges: Vec<String> = lines
            .filter(|line| line.to_lowercase().starts_with("range: bytes="))
            .collect();
        ranges
            .first()
            .map(|line| line[13..].trim_end_matches('-').parse().unwrap())
    }

    fn send(mut stream: TcpStream, status: &str, length: usize, more: &str, body: &[u8]) {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
        );
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body));
    }

    fn whole(stream: TcpStream, start: Option<usize>) {
        let content = content();
        match start {
            None => send(stream, "200 OK", content.len(), "", &content),
            Some(start) => {
                let range = format!("Content-Range: bytes {start}-{}/{BYTES}\r\n", BYTES - 1);
                send(
                    stream,
                    "206 Partial Content",
                    content.len() - start,
                    &range,
                    &content[start..],
                );
            }
        }
    }

    fn cut(stream: TcpStream, _: Option<usize>) {
        send(stream, "200 OK", BYTES as usize, "", &content()[..80_000]);
    }

    fn stall(stream: TcpStream, _: Option<usize>) {
        send(
            stream.try_clone().unwrap(),
            "200 OK",
            BYTES as usize,
            "",
            &content()[..50_000],
        );
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(5));
            drop(stream);
        });
    }

    fn lie(stream: TcpStream, _: Option<usize>) {
        send(
            stream,
            "200 OK",
            BYTES as usize,
            "",
            &vec![7; BYTES as usize],
        );
    }

    fn ignore_range(stream: TcpStream, _: Option<usize>) {
        whole(stream, None);
    }

    fn refuse_range(stream: TcpStream, start: Option<usize>) {
        match start {
            Some(_) => send(stream, "416 Range Not Satisfiable", 0, "", b""),
            None => whole(stream, None),
        }
    }

    fn absent(stream: TcpStream, _: Option<usize>) {
        send(stream, "404 Not Found", 4, "", b"gone");
    }

    fn portal(stream: TcpStream, _: Option<usize>) {
        send(stream, "200 OK", 7, "", b"log in!");
    }

    fn downloader(mirrors: &[&str]) -> Downloader {
        Downloader::new(mirrors.iter().copied())
            .stall_limit(Duration::from_secs(2))
            .tries(3)
    }

    fn fetch(mirrors: &[&str], folder: &Path) -> Result<PathBuf, DataError> {
        downloader(mirrors).fetch(&remote(), folder, &mut |_| ())
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn assert_whole(path: &Path) {
        assert_eq!(fs::read(path).unwrap(), content());
        assert_eq!(names(path.parent().unwrap()), ["digits.gz"]);
    }

    #[test]
    fn a_cut_connection_is_continued_where_it_broke() {
        let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[cut, whole]));
        let mut heard = Vec::new();
        let path = downloader(&[&mirror]).fetch(&remote(), folder.path(), &mut |p| {
            heard.push((p.received, p.total))
        });
        assert_whole(&path.unwrap());
        assert_eq!(*asked.lock().unwrap(), [None, Some(80_000)]);
        assert!(
            heard.is_sorted() && heard.last() == Some(&(BYTES, BYTES)),
            "{heard:?}"
        );
    }

    #[test]
    fn a_stall_is_noticed_and_continued() {
        let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[stall, whole]));
        let impatient = downloader(&[&mirror]).stall_limit(Duration::from_secs(1));
        assert_whole(
            &impatient
                .fetch(&remote(), folder.path(), &mut |_| ())
                .unwrap(),
        );
        assert_eq!(*asked.lock().unwrap(), [None, Some(50_000)]);
    }

    #[test]
    fn a_server_that_lies_leaves_nothing_behind() {
        let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[lie]));
        let error = fetch(&[&mirror], folder.path()).unwrap_err();
        assert!(error.to_string().contains("wrong SHA-256"), "{error}");
        assert!(names(folder.path()).is_empty());
        assert_eq!(asked.lock().unwrap().len(), 1);
    }

    #[test]
    fn the_next_mirror_makes_good_for_a_lie_an_absence_and_a_login_page() {
        for bad in [&[lie as Answer], &[absent as Answer], &[portal as Answer]] {
            let (folder, (first, _), (second, _)) =
                (tempfile::tempdir().unwrap(), serve(bad), serve(&[whole]));
            assert_whole(&fetch(&[&first, &second], folder.path()).unwrap());
        }
    }

    #[test]
    fn a_server_without_ranges_starts_over() {
        for answers in [
            &[cut as Answer, ignore_range],
            &[cut as Answer, refuse_range],
        ] {
            let (folder, (mirror, _)) = (tempfile::tempdir().unwrap(), serve(answers));
            assert_whole(&fetch(&[&mirror], folder.path()).unwrap());
        }
    }

    #[test]
    fn absence_names_the_address_and_the_three_ways() {
        let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[absent]));
        let text = fetch(&[&mirror], folder.path()).unwrap_err().to_string();
        for part in [
            "404",
            &mirror,
            "--data DIR",
            "ZBRIDGE_DATA=DIR",
            &folder.path().display().to_string(),
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(names(folder.path()).is_empty());
        assert_eq!(asked.lock().unwrap().len(), 1);
    }

    #[test]
    fn an_earlier_part_is_continued_and_a_spoilt_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("digits.gz.part");
        fs::write(&part, &content()[..1000]).unwrap();
        let (mirror, asked) = serve(&[whole]);
        assert_whole(&fetch(&[&mirror], folder.path()).unwrap());
        assert_eq!(*asked.lock().unwrap(), [Some(1000)]);
        fs::remove_file(folder.path().join("digits.gz")).unwrap();
        fs::write(&part, b"<html>").unwrap();
        assert_whole(&fetch(&[&mirror], folder.path()).unwrap());
        fs::rename(folder.path().join("digits.gz"), &part).unwrap();
        assert_whole(&fetch(&[], folder.path()).unwrap());
    }

    #[test]
    fn tries_are_bounded_and_what_came_stays() {
        let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[cut]));
        let error = fetch(&[&mirror], folder.path()).unwrap_err();
        assert!(error.to_string().contains("80000 of 200000"), "{error}");
        assert_eq!(asked.lock().unwrap().len(), 3);
        assert_eq!(names(folder.path()), ["digits.gz.part"]);
    }

    #[test]
    fn a_closed_port_is_asked_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            fetch(&[&mirror], folder.path()),
            Err(DataError::Download { .. })
        ));
    }

    #[test]
    fn two_processes_do_not_write_the_same_part() {
        let folder = tempfile::tempdir().unwrap();
        let (remote, other) = (remote(), remote());
        let held = Part::open(&remote, folder.path()).unwrap();
        assert!(matches!(
            downloader(&[]).fetch(&other, folder.path(), &mut |_| ()),
            Err(DataError::Busy { .. })
        ));
        drop(held);
    }

    #[test]
    fn a_folder_that_is_a_file_is_a_write_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = fetch(&[], &file.path().join("cache")).unwrap_err();
        assert!(
            matches!(error, DataError::Write { .. }) && !error.is_bad_input(),
            "{error}"
        );
    }
}
