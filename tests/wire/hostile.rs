//! Servers that mean harm, or are broken: an error each, in time, with bounded memory, and never a panic.

#![allow(clippy::semicolon_if_nothing_returned, reason = "in a table every row is an expression")]

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::client::{Job, PASSWORD};
use crate::server::{Asked, reply, serve};

/// The most that a client may have resident: its own, and one answer of the largest size that is read (64 MiB), which
/// is copied once while it grows.
const MOST_MEMORY: u64 = 200 << 10;
/// The deadline of a client whose server lets it wait, in seconds, and of one that is to find out by itself.
const PATIENCE: [u64; 2] = [2, 60];
/// How long a client may take on a busy machine.
const MOST_TIME: Duration = Duration::from_secs(70);

type Harm = fn(&mut TcpStream, &Asked);

/// Name, what the server does, what the client says.
const HARMS: &[(&str, Harm, &str)] = &[
    ("closes", |_, _| (), "interrupted"),
    ("resets", |stream, _| drop(stream.shutdown(Shutdown::Both)), "interrupted"),
    ("hangs", |_, _| wait(30), "timed out"),
    ("speaks another protocol", |stream, _| send(stream, b"SSH-2.0-OpenSSH_9.2\r\n"), "interrupted"),
    ("garbage", |stream, _| send(stream, &[0xff; 4096]), "interrupted"),
    ("an impossible status", |stream, _| send(stream, b"HTTP/1.1 99999 X\r\n\r\n"), "interrupted"),
    ("half a head", |stream, _| send(stream, b"HTTP/1.1 200 OK\r\ncontent-le"), "interrupted"),
    (
        "half a body",
        |stream, _| send(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"token\""),
        "interrupted",
    ),
    (
        "half a chunk",
        |stream, _| send(stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nabc"),
        "interrupted",
    ),
    (
        "an overflowing chunk",
        |stream, _| {
            send(stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n")
        },
        "interrupted",
    ),
    (
        "a huge length announced",
        |stream, _| send(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"),
        "larger than",
    ),
    (
        "a length that is no number",
        |stream, _| send(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n"),
        "interrupted",
    ),
    (
        "an endless body",
        |stream, _| endless(stream, b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 1 << 16]),
        "larger than",
    ),
    (
        "endless chunks",
        |stream, _| endless(stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &chunk()),
        "larger than",
    ),
    ("ten thousand headers", |stream, _| many_headers(stream, 10_000), "interrupted"),
    (
        "endless headers",
        |stream, _| endless(stream, b"HTTP/1.1 200 OK\r\n", b"x-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"),
        "interrupted",
    ),
    (
        "one endless header",
        |stream, _| endless(stream, b"HTTP/1.1 200 OK\r\nx: ", &[b'x'; 1 << 16]),
        "interrupted",
    ),
    ("endless interim answers", |stream, _| interim(stream), "timed out"),
    (
        "a head that drips",
        |stream, _| drip(stream, b"HTTP/1.1 200 OK\r\nx-header: and so on and so on and so on"),
        "timed out",
    ),
    (
        "a body that drips",
        |stream, _| {
            drip(
                stream,
                b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"token\": {\"catalog\": [\n\n\n\n\n",
            )
        },
        "timed out",
    ),
    (
        "a redirect to itself",
        |stream, asked| moved(stream, "307 Temporary Redirect", path(asked)),
        "too many redirects",
    ),
    (
        "a redirect elsewhere",
        |stream, _| moved(stream, "307 Temporary Redirect", "http://127.0.0.1:9/"),
        "redirected to another server",
    ),
    (
        "a redirect that is no URL",
        |stream, _| moved(stream, "307 Temporary Redirect", "http://[::1"),
        "redirected|status",
    ),
    ("gzip that is none", |stream, _| zipped(stream, b"this is not gzip"), "interrupted"),
    ("a gzip bomb", |stream, _| zipped(stream, bomb()), "larger than"),
    ("nothing", |stream, _| answer(stream, b""), "unexpected answer"),
    ("not JSON", |stream, _| answer(stream, b"<html>hunter2</html>"), "unexpected answer"),
    (
        "not UTF-8",
        |stream, _| answer(stream, b"{\"token\": {\"expires_at\": \"\xff\xfe\"}, \"server\": \"\xff\"}"),
        "unexpected answer",
    ),
    ("an array", |stream, _| answer(stream, b"[\"hunter2\"]"), "unexpected answer"),
    (
        "a number where an object belongs",
        |stream, _| answer(stream, b"{\"token\": 7, \"server\": 7}"),
        "unexpected answer",
    ),
    (
        "wrong types within",
        |stream, _| {
            answer(stream, b"{\"token\": {\"expires_at\": [], \"catalog\": \"hunter2\"}, \"server\": {\"id\": [\"hunter2\"]}}")
        },
        "unexpected answer",
    ),
    ("nesting without end", |stream, _| answer(stream, "[".repeat(1 << 20).as_bytes()), "unexpected answer"),
    (
        "nesting within",
        |stream, _| {
            answer(
                stream,
                format!("{{\"token\": {0}, \"server\": {0}}}", "{\"a\":".repeat(100_000)).as_bytes(),
            )
        },
        "unexpected answer",
    ),
    (
        "an error of a stranger",
        |stream, _| reply(stream, "400 Bad Request", b"{\"secret\": \"hunter2\"}"),
        "status 400",
    ),
    (
        "a time to come back in the far future",
        |stream, _| reply(stream, "429 Too Many\r\nretry-after: 18446744073709551615", b""),
        "too many requests",
    ),
];

fn wait(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
    let _ = stream.flush();
}

fn endless(stream: &mut TcpStream, first: &[u8], again: &[u8]) {
    send(stream, first);
    let many = again.repeat((1 << 16) / again.len().max(1) + 1);
    while stream.write_all(&many).is_ok() {}
}

/// Half a megabyte a second of answers that are none yet.
fn interim(stream: &mut TcpStream) {
    let many = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(200);
    while stream.write_all(&many).is_ok() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn many_headers(stream: &mut TcpStream, count: usize) {
    let headers = (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<Vec<_>>().concat();
    send(stream, format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n").as_bytes());
}

fn drip(stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes.iter().cycle().take(200) {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn path(asked: &Asked) -> &str {
    asked.line.split(' ').nth(1).unwrap_or("/")
}

fn moved(stream: &mut TcpStream, status: &str, to: &str) {
    reply(stream, &format!("{status}\r\nlocation: {to}"), b"");
}

fn answer(stream: &mut TcpStream, body: &[u8]) {
    reply(stream, "201 Created\r\nx-subject-token: t", body);
}

fn zipped(stream: &mut TcpStream, body: &[u8]) {
    reply(stream, "201 Created\r\nx-subject-token: t\r\ncontent-encoding: gzip", body);
}

fn chunk() -> Vec<u8> {
    [b"4000\r\n", &[b'x'; 0x4000][..], b"\r\n"].concat()
}

/// A hundred megabytes of nothing, in a hundred kilobytes.
fn bomb() -> &'static [u8] {
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..100 {
            packed.write_all(&zeros).unwrap();
        }
        packed.finish().unwrap()
    });
    &BOMB
}

/// A token whose Nova is the server itself.
fn token(address: &str) -> String {
    json!({"token": {"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z", "catalog": [
        {"type": "compute", "endpoints": [{"interface": "public", "url": format!("http://{address}/v2.1")}]}]}})
    .to_string()
}

fn expect(name: &str, job: Job, expected: &str) {
    let patience = PATIENCE[usize::from(!expected.contains("timed out"))];
    let outcome = job.with("limit", patience).run();
    let error = outcome.answer.expect_err(name);
    let fits = expected.split('|').any(|text| error.contains(text));
    assert!(fits, "{name}: {error}");
    assert!(!error.contains("hunter2") && !error.contains(PASSWORD), "{name}: {error}");
    assert!(error.len() < 1_000, "{name}: {} bytes of error", error.len());
    assert!(outcome.took < MOST_TIME, "{name}: {:?}", outcome.took);
    assert!(outcome.peak < MOST_MEMORY, "{name}: {} KiB", outcome.peak);
}

/// Tries all harms, some at a time: most of the time they only wait.
fn try_all(job: fn(&str) -> Job, server: fn(Harm) -> SocketAddr) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((name, harm, expected)) = HARMS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let address = server(*harm);
                    expect(name, job(&format!("http://{address}")), expected);
                }
            });
        }
    });
}

#[test]
fn a_hostile_keystone_makes_an_error_in_time_and_within_bounded_memory() {
    try_all(Job::login, |harm| serve(harm));
}

#[test]
fn a_hostile_service_makes_an_error_in_time_and_within_bounded_memory() {
    try_all(Job::call, |harm| {
        serve(move |stream, asked| {
            if asked.line.contains("/v3/auth/tokens") {
                let host = asked.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
                answer(stream, token(host).as_bytes());
            } else {
                harm(stream, asked);
            }
        })
    });
}
