//! Servers of tests: a thread for each, and one for each connection, as long as the test runs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A request as far as servers of tests look at it.
pub(crate) struct Asked {
    /// Its first line.
    pub(crate) line: String,
    /// All of its head.
    pub(crate) head: String,
}

/// Serves any number of requests on each connection; the address, and how many connections there were.
pub(crate) fn serve_on(
    answer: impl Fn(&mut TcpStream, &Asked) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = serve(move |stream, asked| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(stream, asked);
        while let Some(asked) = ask(stream) {
            answer(stream, &asked);
        }
    });
    (address, connections)
}

/// Serves each connection with `answer`; the address.
pub(crate) fn serve(answer: impl Fn(&mut TcpStream, &Asked) + Send + Sync + 'static) -> SocketAddr {
    serve_at("127.0.0.1:0", answer)
}

/// The same at a given address.
pub(crate) fn serve_at(
    address: &str,
    answer: impl Fn(&mut TcpStream, &Asked) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                // A server that is stuck ends with its client.
                let _ = stream.set_write_timeout(Some(Duration::from_secs(20)));
                if let Some(asked) = ask(&mut stream) {
                    answer(&mut stream, &asked);
                }
            });
        }
    });
    address
}

/// Reads a request with its body.
pub(crate) fn ask(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                let line = head.lines().next().unwrap_or_default().to_owned();
                return Some(Asked { line, head: head.to_owned() });
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// Writes all of an answer and closes.
pub(crate) fn reply(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let _ = write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(body);
    let _ = stream.flush();
}

/// A file of `fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wire/fixtures").join(name)
}

/// A directory of the test's own, deleted at its end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wire-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
