//! Where a program listens for its neighbours: a socket in the file system, or a TCP address.
//!
//! The forms are those of the Go volume drivers: `unix://csi/csi.sock`, `unix:///csi/csi.sock`, `/csi/csi.sock` and
//! `tcp://host:port`.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as Connection;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::UnixListener;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

/// Why a socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Something else than a socket is there, and is left alone.
    #[error("{0} is there already and is no socket")]
    Occupied(PathBuf),
    /// Somebody listens there.
    #[error("another process listens on {0}")]
    InUse(PathBuf),
    /// The system refuses.
    #[error("cannot listen on {0}")]
    Io(PathBuf, #[source] io::Error),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected unix:///path/of/socket or tcp://host:port".to_owned();
        let lower = text.to_ascii_lowercase();
        let rest = |scheme: &str| lower.starts_with(scheme).then(|| &text[scheme.len()..]);
        if let Some(path) = rest("unix://").or_else(|| text.starts_with('/').then_some(text)) {
            // `unix://csi/csi.sock` means the same as with a third slash.
            let path = Path::new("/").join(path.trim_start_matches('/'));
            return if path == Path::new("/") { Err(expected()) } else { Ok(Self::Unix(path)) };
        }
        match rest("tcp://") {
            Some(address) if address.contains(':') => Ok(Self::Tcp(address.to_owned())),
            _ => Err(expected()),
        }
    }
}

impl Endpoint {
    /// What to say to somebody who lets the whole network in: nothing here asks who is calling.
    pub fn warning(&self) -> Option<String> {
        let Self::Tcp(address) = self else { return None };
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        (!own).then(|| {
            format!("{address} can be reached from other machines, and nobody is asked for a name there")
        })
    }
}

/// Listens on a socket in the file system, which its owner and its group may use (mode 0660). A socket that somebody left
/// behind is taken away; anything else stays.
///
/// # Errors
/// Somebody listens there, something else is there, or the system refuses.
pub fn listen_unix(path: &Path) -> Result<UnixListener, SocketError> {
    let error = |source| SocketError::Io(path.to_owned(), source);
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::Occupied(path.to_owned())),
        Ok(_) if Connection::connect(path).is_ok() => return Err(SocketError::InUse(path.to_owned())),
        Ok(_) => fs::remove_file(path).map_err(error)?,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
        Err(other) => return Err(error(other)),
    }
    let listener = UnixListener::bind(path).map_err(error)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(error)?;
    Ok(listener)
}

/// The address of a plain HTTP endpoint such as `:8080`, which means all addresses, or `127.0.0.1:8080`.
///
/// # Errors
/// It is none.
pub fn http_address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.replace("localhost:", "127.0.0.1:")
    };
    whole.parse().map_err(|_| "expected an address and a port, as in 127.0.0.1:8080 or :8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("host-socket-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn endpoints_are_read_as_the_go_drivers_do() {
        let unix = |path: &str| Ok(Endpoint::Unix(path.into()));
        for (text, expected) in [
            ("unix://csi/csi.sock", unix("/csi/csi.sock")),
            ("unix:///csi/csi.sock", unix("/csi/csi.sock")),
            ("UNIX://tmp/csi.sock", unix("/tmp/csi.sock")),
            ("/csi/csi.sock", unix("/csi/csi.sock")),
            ("tcp://127.0.0.1:10000", Ok(Endpoint::Tcp("127.0.0.1:10000".to_owned()))),
            ("Tcp://host:1", Ok(Endpoint::Tcp("host:1".to_owned()))),
        ] {
            assert_eq!(text.parse::<Endpoint>(), expected, "{text}");
        }
        for text in ["", "unix://", "unix:///", "tcp://host", "http://x:1", "csi.sock", "ünix://x"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_that_others_can_reach_is_told() {
        for (text, told) in [
            ("unix:///csi.sock", false),
            ("tcp://127.0.0.1:1", false),
            ("tcp://localhost:1", false),
            ("tcp://[::1]:1", false),
            ("tcp://0.0.0.0:1", true),
            ("tcp://:1", true),
            ("tcp://10.0.0.1:1", true),
            ("tcp://node:1", true),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().warning().is_some(), told, "{text}");
        }
    }

    #[tokio::test]
    async fn only_a_socket_that_was_left_behind_is_taken_away() {
        let directory = Directory::new("stale");
        let path = directory.0.join("csi.sock");
        let first = listen_unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(listen_unix(&path), Err(SocketError::InUse(_))));
        drop(first);
        assert!(path.exists(), "a socket stays behind");
        let second = listen_unix(&path).unwrap();
        let accepted = tokio::join!(second.accept(), tokio::net::UnixStream::connect(&path));
        assert!(accepted.0.is_ok() && accepted.1.is_ok());

        for name in ["file", "directory", "link"] {
            let other = directory.0.join(name);
            match name {
                "file" => fs::write(&other, "precious").unwrap(),
                "directory" => fs::create_dir(&other).unwrap(),
                _ => std::os::unix::fs::symlink(directory.0.join("file"), &other).unwrap(),
            }
            assert!(matches!(listen_unix(&other), Err(SocketError::Occupied(_))), "{name}");
            assert!(fs::symlink_metadata(&other).is_ok(), "{name} stays");
        }
        assert_eq!(fs::read_to_string(directory.0.join("file")).unwrap(), "precious");
    }

    #[test]
    fn addresses_of_metrics() {
        assert_eq!(http_address(":8080"), Ok(([0, 0, 0, 0], 8080).into()));
        assert_eq!(http_address("localhost:1"), Ok(([127, 0, 0, 1], 1).into()));
        assert_eq!(http_address("[::1]:80").unwrap().port(), 80);
        assert!(http_address("8080").is_err() && http_address("host:80").is_err());
    }
}
