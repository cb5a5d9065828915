use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Bytes of a piece at most.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait for the disk.
const WAITING_PIECES: usize = 8;

/// Exit codes of curl.
const HTTP_ERROR: i32 = 22;
const RANGE_ERROR: i32 = 33;
const BAD_RESUME: i32 = 36;

/// A running `curl` that writes the file at an address to its standard output. It is ended when
/// this value is dropped.
pub(super) struct Curl {
    child: Child,
    pieces: Receiver<Vec<u8>>,
}

/// What came within some time.
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// Nothing yet.
    Pending,
    /// The output has ended.
    End,
}

/// How curl ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) is_success: bool,
    /// The server cannot send a file from its middle.
    pub(super) cannot_resume: bool,
    /// The same request may succeed later.
    pub(super) is_worth_a_retry: bool,
    /// What curl says.
    pub(super) message: String,
}

impl Curl {
    /// Starts a download from byte `first_byte` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such program.
    pub(super) fn start(
        program: &str,
        address: &str,
        first_byte: u64,
        connect_timeout: Duration,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        add_arguments(&mut command, address, first_byte, connect_timeout);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().expect("the output is piped");
        let (sender, pieces) = sync_channel(WAITING_PIECES);
        // Reading blocks while no byte comes; a thread of its own leaves this one free to notice
        // that.
        std::thread::spawn(move || send_pieces(output, &sender));
        Ok(Self { child, pieces })
    }

    /// Returns the next piece that comes within `wait`.
    pub(super) fn next_piece(&mut self, wait: Duration) -> Piece {
        match self.pieces.recv_timeout(wait) {
            Ok(bytes) => Piece::Bytes(bytes),
            Err(RecvTimeoutError::Timeout) => Piece::Pending,
            Err(RecvTimeoutError::Disconnected) => Piece::End,
        }
    }

    /// Waits for the end of curl, whose output has ended.
    pub(super) fn finish(mut self) -> io::Result<Status> {
        let mut message = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut message)?;
        }
        let status = self.child.wait()?;
        Ok(Status::of(status.code(), message.trim()))
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        // Both fail if curl has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn add_arguments(command: &mut Command, address: &str, first_byte: u64, timeout: Duration) {
    command
        .args(["--silent", "--show-error", "--fail", "--no-buffer"])
        .args(["--location", "--max-redirs", "5", "--proto", "=http,https"])
        .arg("--connect-timeout")
        .arg(timeout.as_secs().max(1).to_string());
    if first_byte > 0 {
        command.args(["--continue-at", &first_byte.to_string()]);
    }
    if is_loopback(address) {
        // A proxy cannot reach the machine that asks it.
        command.args(["--noproxy", "*"]);
    }
    command.arg(address);
}

/// Sends the output in pieces, until it ends or they are no longer received.
fn send_pieces(mut output: ChildStdout, sender: &SyncSender<Vec<u8>>) {
    let mut buffer = vec![0; PIECE];
    // An error of the pipe ends the output; curl's exit code says why.
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        if sender.send(buffer[..count].to_vec()).is_err() {
            return;
        }
    }
}

fn is_loopback(address: &str) -> bool {
    address.starts_with("http://127.0.0.1") || address.starts_with("http://localhost")
}

impl Status {
    /// # Source
    /// The manual page of curl, section *Exit codes*.
    fn of(code: Option<i32>, message: &str) -> Self {
        let http_status = match code {
            Some(HTTP_ERROR) => http_status(message),
            _ => None,
        };
        let is_range_error = matches!(code, Some(RANGE_ERROR | BAD_RESUME));
        Self {
            is_success: code == Some(0),
            cannot_resume: is_range_error || http_status == Some(416),
            is_worth_a_retry: is_transfer_error(code)
                || matches!(http_status, Some(408 | 429 | 500..=599)),
            message: match message {
                "" => format!("curl ended with the code {code:?}"),
                _ => message.to_owned(),
            },
        }
    }
}

/// Returns whether a connection that was there broke off.
fn is_transfer_error(code: Option<i32>) -> bool {
    // Errors of HTTP/2, a partial file, an empty reply, failed sending and receiving.
    matches!(code, Some(16 | 18 | 52 | 55 | 56 | 92))
}

/// Returns the status of `curl: (22) The requested URL returned error: 404`.
fn http_status(message: &str) -> Option<u16> {
    let (_, status) = message.rsplit_once("error: ")?;
    status.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_errors_are_distinguished_by_their_status() {
        let status = |number: u16| {
            let message = format!("curl: (22) The requested URL returned error: {number}");
            Status::of(Some(22), &message)
        };
        assert!(!status(404).is_worth_a_retry && status(503).is_worth_a_retry);
        assert!(status(416).cannot_resume && !status(404).cannot_resume);
        let reason = Status::of(Some(22), "The requested URL returned error: 500 Internal");
        assert!(reason.is_worth_a_retry);
    }

    #[test]
    fn cut_connections_are_worth_a_retry_and_unknown_hosts_are_not() {
        assert!(Status::of(Some(18), "").is_worth_a_retry);
        assert!(!Status::of(Some(6), "").is_worth_a_retry);
        assert!(Status::of(Some(0), "").is_success);
        assert!(!Status::of(None, "").is_success);
    }
}
