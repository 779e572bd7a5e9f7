//! An HTTP proxy in front of one service, which does to requests what a test asks for.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is carried there, and its answer back.
    None,
    /// It is read, and nothing ever comes back on this connection, not even when the fault is over.
    Silence,
    /// The connection ends.
    Close,
    /// Of so many requests one is carried there; the others get this status, with a second to come back after.
    Storm(u16, u64),
}

/// The proxy; it listens until it is dropped.
pub struct FaultProxy {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    to: String,
    fault: Mutex<Fault>,
    rewrites: Mutex<Vec<(String, String)>>,
    ended: AtomicBool,
    asked: AtomicU64,
    refused: AtomicU64,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl FaultProxy {
    /// A proxy before `to`, `127.0.0.1:…`.
    pub fn new(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            to: to.to_owned(),
            fault: Mutex::new(Fault::None),
            rewrites: Mutex::default(),
            ended: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { return };
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || {
                    let running = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
                    shared.most.fetch_max(running, Ordering::SeqCst);
                    let _ = shared.serve(&mut stream);
                    shared.running.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens, `127.0.0.1:…`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What happens to requests from now on.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// In answers, each first text is replaced by the second one from now on.
    pub fn rewrite(&self, rewrites: &[(&str, &str)]) {
        let rewrites = rewrites.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        *self.shared.rewrites.lock().unwrap_or_else(PoisonError::into_inner) = rewrites;
    }

    /// Requests so far: all, and those that did not get through.
    pub fn asked(&self) -> (u64, u64) {
        (self.shared.asked.load(Ordering::SeqCst), self.shared.refused.load(Ordering::SeqCst))
    }

    /// The most connections at once since this was last asked.
    pub fn most_at_once(&self) -> usize {
        self.shared.most.swap(0, Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which closes the port.
        let _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let Some(request) = read_request(stream)? else { return Ok(()) };
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.fault() {
            Fault::Close => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            Fault::Silence => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                while !self.ended.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(200));
                }
                return Ok(());
            }
            Fault::Storm(status, of) if !number.is_multiple_of(of) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                let head = "retry-after: 1\r\nconnection: close\r\ncontent-length: 0";
                return write!(stream, "HTTP/1.1 {status} Busy\r\n{head}\r\n\r\n");
            }
            Fault::None | Fault::Storm(..) => {}
        }
        let mut there = TcpStream::connect(&self.to)?;
        there.write_all(&request)?;
        let mut answer = Vec::new();
        there.read_to_end(&mut answer)?;
        stream.write_all(&self.rewritten(answer))
    }

    /// The answer with its texts replaced, and its length set right.
    fn rewritten(&self, answer: Vec<u8>) -> Vec<u8> {
        let rewrites = self.rewrites.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if rewrites.is_empty() {
            return answer;
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return answer };
        let body = rewrites.iter().fold(body.to_owned(), |body, (from, to)| body.replace(from, to));
        let head: Vec<&str> =
            head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:")).collect();
        format!("{}\r\ncontent-length: {}\r\n\r\n{body}", head.join("\r\n"), body.len()).into_bytes()
    }
}

/// A whole request, asking for the connection to be closed; none if the client leaves.
fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let mut request = format!("{head}\r\nconnection: close\r\n\r\n").into_bytes();
                request.extend_from_slice(&bytes[end + 4..]);
                return Ok(Some(request));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}
