use super::*;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use zbridge_core::{Progress, Unobserved, hexadecimal};

/// Returns whether the program that downloads is there; says so if not.
fn has_curl() -> bool {
    let has_curl = Command::new("curl").arg("--version").output().is_ok();
    if !has_curl {
        // The harness hides what a passing test prints with `eprintln`.
        _ = writeln!(
            std::io::stderr(),
            "skipped: the program curl is not installed"
        );
    }
    has_curl
}

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
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n");
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

fn send_other_bytes(stream: TcpStream, _: Option<usize>) {
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

fn fetch(mirrors: &[&str], folder: &Path) -> Result<PathBuf, DatasetError> {
    downloader(mirrors).fetch(&remote(), folder, &Unobserved)
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
fn a_cut_connection_is_continued() {
    if !has_curl() {
        return;
    }
    let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[cut, whole]));
    let seen = Mutex::new(Vec::new());
    let observer = |progress: &Progress<'_>| {
        seen.lock().unwrap().push((progress.done, progress.total));
        ControlFlow::Continue(())
    };
    let path = downloader(&[&mirror]).fetch(&remote(), folder.path(), &observer);
    assert_whole(&path.unwrap());
    let seen = seen.into_inner().unwrap();
    assert_eq!(*asked.lock().unwrap(), [None, Some(80_000)]);
    assert!(
        seen.is_sorted() && seen.last() == Some(&(BYTES, BYTES)),
        "{seen:?}"
    );
}

#[test]
fn a_stall_is_noticed_and_continued() {
    if !has_curl() {
        return;
    }
    let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[stall, whole]));
    let impatient = downloader(&[&mirror]).stall_limit(Duration::from_secs(1));
    assert_whole(
        &impatient
            .fetch(&remote(), folder.path(), &Unobserved)
            .unwrap(),
    );
    assert_eq!(*asked.lock().unwrap(), [None, Some(50_000)]);
}

#[test]
fn wrong_bytes_are_deleted() {
    if !has_curl() {
        return;
    }
    let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[send_other_bytes]));
    let error = fetch(&[&mirror], folder.path()).unwrap_err();
    assert!(error.to_string().contains("wrong SHA-256"), "{error}");
    assert!(names(folder.path()).is_empty());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn the_next_mirror_is_tried_after_wrong_bytes_an_absence_and_a_login_page() {
    if !has_curl() {
        return;
    }
    for bad in [
        &[send_other_bytes as Answer],
        &[absent as Answer],
        &[portal as Answer],
    ] {
        let (folder, (first, _), (second, _)) =
            (tempfile::tempdir().unwrap(), serve(bad), serve(&[whole]));
        assert_whole(&fetch(&[&first, &second], folder.path()).unwrap());
    }
}

#[test]
fn a_server_without_ranges_starts_over() {
    if !has_curl() {
        return;
    }
    for answers in [
        &[cut as Answer, ignore_range],
        &[cut as Answer, refuse_range],
    ] {
        let (folder, (mirror, _)) = (tempfile::tempdir().unwrap(), serve(answers));
        assert_whole(&fetch(&[&mirror], folder.path()).unwrap());
    }
}

#[test]
fn an_absent_file_is_named_with_its_address_and_other_ways() {
    if !has_curl() {
        return;
    }
    let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[absent]));
    let text = fetch(&[&mirror], folder.path()).unwrap_err().to_string();
    for part in [
        "404",
        &mirror,
        "ZBRIDGE_DATA",
        &folder.path().display().to_string(),
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(names(folder.path()).is_empty());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn an_earlier_part_is_continued_and_a_wrong_one_replaced() {
    if !has_curl() {
        return;
    }
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
fn tries_are_bounded_and_received_bytes_stay() {
    if !has_curl() {
        return;
    }
    let (folder, (mirror, asked)) = (tempfile::tempdir().unwrap(), serve(&[cut]));
    let error = fetch(&[&mirror], folder.path()).unwrap_err();
    assert!(error.to_string().contains("80000 of 200000"), "{error}");
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(names(folder.path()), ["digits.gz.part"]);
}

#[test]
fn a_closed_port_is_asked_once() {
    if !has_curl() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        fetch(&[&mirror], folder.path()),
        Err(DatasetError::Download {
            fault: DownloadError::NoMirror { .. },
            ..
        })
    ));
}

#[test]
fn two_processes_do_not_write_the_same_part() {
    let folder = tempfile::tempdir().unwrap();
    let (remote, other) = (remote(), remote());
    let held = PartialFile::open(&remote, folder.path()).unwrap();
    assert!(matches!(
        downloader(&[]).fetch(&other, folder.path(), &Unobserved),
        Err(DatasetError::Download {
            fault: DownloadError::Busy,
            ..
        })
    ));
    drop(held);
}

#[test]
fn a_folder_that_is_a_file_is_a_write_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = fetch(&[], &file.path().join("cache")).unwrap_err();
    assert!(
        matches!(error, DatasetError::Data(_)) && !error.is_bad_input(),
        "{error}"
    );
}

#[test]
fn too_many_bytes_are_refused() {
    if !has_curl() {
        return;
    }
    fn send_more(stream: TcpStream, _: Option<usize>) {
        let bytes = [content(), vec![0; 70_000]].concat();
        send(stream, "200 OK", bytes.len(), "", &bytes);
    }
    let (folder, (mirror, _)) = (tempfile::tempdir().unwrap(), serve(&[send_more]));
    let error = fetch(&[&mirror], folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("more than the 200000"),
        "{error}"
    );
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_interrupted_download_keeps_its_bytes() {
    if !has_curl() {
        return;
    }
    let (folder, (mirror, _)) = (tempfile::tempdir().unwrap(), serve(&[stall, whole]));
    let stop = |progress: &Progress<'_>| match progress.done {
        50_000.. => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let error = downloader(&[&mirror]).fetch(&remote(), folder.path(), &stop);
    assert!(matches!(error, Err(DatasetError::Interrupted(_))));
    assert_eq!(names(folder.path()), ["digits.gz.part"]);
    assert_whole(&fetch(&[&mirror], folder.path()).unwrap());
}

#[test]
fn without_curl_the_user_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let downloader = Downloader {
        program: "no-such-program".to_owned(),
        ..downloader(&["https://a/", "https://b/"])
    };
    let error = downloader
        .fetch(&remote(), folder.path(), &Unobserved)
        .unwrap_err();
    let text = error.to_string();
    for part in ["install it", "https://a/digits.gz", "https://b/digits.gz"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!error.is_bad_input());
}
