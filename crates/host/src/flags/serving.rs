//! The flags of an HTTPS endpoint: where it listens, with what certificate, and who may look at it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};

use super::{StringSlice, boolean, duration, joined};
use crate::serve::ProxyHeaders;
use crate::tls::{Certificate, ClientFiles, MinVersion, ServerOptions, Sni, unknown_suites};

/// Where and how the endpoint is served.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Secure serving flags")]
pub struct ServingFlags {
    /// Address to listen on.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    bind_address: String,
    /// Port to listen on; 0 for none.
    #[arg(long, value_name = "PORT", default_value_t = 10258)]
    pub secure_port: u16,
    /// Directory with a certificate and its key, named after the program (`.crt`, `.key`), used where both exist.
    #[arg(long, value_name = "DIRECTORY", default_value = "", hide_default_value = true)]
    cert_dir: String,
    /// PEM file with the serving certificate, read anew when it changes. Without one, a self-signed one is made at start.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    tls_cert_file: String,
    /// PEM file with its private key.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    tls_private_key_file: String,
    /// A certificate for certain names: certificate,key or certificate,key:name,*.name; can be repeated.
    #[arg(long, value_name = "FILES", action = ArgAction::Append)]
    tls_sni_cert_key: Vec<String>,
    /// Cipher suites for TLS 1.2, by Go's names; weak ones are not spoken even where they are named.
    #[arg(long, value_name = "LIST", action = ArgAction::Append)]
    tls_cipher_suites: Vec<StringSlice>,
    /// Groups for the key exchange, by number, in this order: 29 X25519, 23 P-256, 24 P-384. Others are left out.
    #[arg(long, value_name = "LIST", action = ArgAction::Append)]
    tls_curve_preferences: Vec<StringSlice>,
    /// Lowest TLS version: `VersionTLS12` or `VersionTLS13`. Lower ones are not spoken.
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    tls_min_version: String,
    /// Let other processes listen on the port as well.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value = "false", value_parser = boolean, action = ArgAction::Set)]
    pub permit_port_sharing: bool,
}

/// How callers are known.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Authentication flags")]
pub struct AuthenticationFlags {
    /// Kubeconfig with the right to review tokens; default is the program's own.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub authentication_kubeconfig: String,
    /// How long the answer about a token is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub authentication_token_webhook_cache_ttl: Duration,
    /// PEM file with authorities; a client's certificate that one of them has signed names the user (CN) and groups (O).
    /// Read anew when it changes.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    client_ca_file: String,
    /// PEM file with authorities of proxies, which name users in headers. Read anew when it changes.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    requestheader_client_ca_file: String,
    /// Common names that such a proxy's certificate may have; any if empty.
    #[arg(long, value_name = "LIST", action = ArgAction::Append)]
    requestheader_allowed_names: Vec<StringSlice>,
    /// Headers with the user's name.
    #[arg(long, value_name = "LIST", default_value = "x-remote-user", action = ArgAction::Append)]
    requestheader_username_headers: Vec<StringSlice>,
    /// Headers with the user's unique id.
    #[arg(long, value_name = "LIST", action = ArgAction::Append)]
    requestheader_uid_headers: Vec<StringSlice>,
    /// Headers with groups.
    #[arg(long, value_name = "LIST", default_value = "x-remote-group", action = ArgAction::Append)]
    requestheader_group_headers: Vec<StringSlice>,
    /// Begin of the names of headers with more about the user.
    #[arg(long, value_name = "LIST", default_value = "x-remote-extra-", action = ArgAction::Append)]
    requestheader_extra_headers_prefix: Vec<StringSlice>,
}

/// What callers may do.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Authorization flags")]
pub struct AuthorizationFlags {
    /// Kubeconfig with the right to review access; default is the program's own.
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub authorization_kubeconfig: String,
    /// Paths that anybody may read; a trailing * stands for everything below.
    #[arg(long, value_name = "PATHS", default_value = "/healthz,/readyz,/livez", action = ArgAction::Append)]
    authorization_always_allow_paths: Vec<StringSlice>,
    /// How long a yes is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub authorization_webhook_cache_authorized_ttl: Duration,
    /// How long a no is kept.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub authorization_webhook_cache_unauthorized_ttl: Duration,
}

impl ServingFlags {
    /// What is wrong.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.bind_address.parse::<IpAddr>().is_err() {
            faults.push("--bind-address is not an IP address".to_owned());
        }
        if self.tls_cert_file.is_empty() != self.tls_private_key_file.is_empty() {
            faults.push("--tls-cert-file and --tls-private-key-file belong together".to_owned());
        }
        if !["", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"]
            .contains(&self.tls_min_version.as_str())
        {
            faults.push("--tls-min-version: expected VersionTLS12 or VersionTLS13".to_owned());
        }
        for name in unknown_suites(&joined(&self.tls_cipher_suites)) {
            faults.push(format!("--tls-cipher-suites: {name:?} is not known"));
        }
        faults.extend(self.curves().err());
        faults.extend(self.tls_sni_cert_key.iter().filter_map(|text| sni(text).err()));
        faults
    }

    /// Where to listen, if anywhere.
    pub fn address(&self) -> Option<SocketAddr> {
        let ip = self.bind_address.parse().ok()?;
        (self.secure_port != 0).then(|| SocketAddr::new(ip, self.secure_port))
    }

    /// What to serve with; `pair` is the name of certificate and key in `--cert-dir`.
    pub fn tls(&self, pair: &str, authentication: &AuthenticationFlags) -> ServerOptions {
        ServerOptions {
            certificate: self.certificate(pair),
            sni: self.tls_sni_cert_key.iter().filter_map(|text| sni(text).ok()).collect(),
            min_version: if self.tls_min_version == "VersionTLS13" {
                MinVersion::Tls13
            } else {
                MinVersion::Tls12
            },
            cipher_suites: joined(&self.tls_cipher_suites),
            curves: self.curves().unwrap_or_default(),
            clients: authentication.clients(),
        }
    }

    fn certificate(&self, pair: &str) -> Certificate {
        if !self.tls_cert_file.is_empty() {
            return Certificate::Files {
                certificate: PathBuf::from(&self.tls_cert_file),
                key: PathBuf::from(&self.tls_private_key_file),
            };
        }
        let file = |extension: &str| Path::new(&self.cert_dir).join(format!("{pair}.{extension}"));
        let (certificate, key) = (file("crt"), file("key"));
        if !self.cert_dir.is_empty() && certificate.exists() && key.exists() {
            return Certificate::Files { certificate, key };
        }
        Certificate::SelfSigned
    }

    fn curves(&self) -> Result<Vec<u16>, String> {
        let number = |text: &String| {
            text.trim()
                .parse()
                .map_err(|_| "--tls-curve-preferences: expected numbers such as 29 or 23".to_owned())
        };
        joined(&self.tls_curve_preferences).iter().map(number).collect()
    }
}

/// `certificate,key` or `certificate,key:name,name`.
fn sni(text: &str) -> Result<Sni, String> {
    let (files, names) = text.split_once(':').unwrap_or((text, ""));
    let names = names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    match files.split(',').map(str::trim).collect::<Vec<_>>()[..] {
        [certificate, key] if !certificate.is_empty() && !key.is_empty() => {
            Ok(Sni { certificate: certificate.into(), key: key.into(), names })
        }
        _ => Err("--tls-sni-cert-key: expected certificate,key or certificate,key:names".to_owned()),
    }
}

impl AuthenticationFlags {
    fn clients(&self) -> ClientFiles {
        let file = |path: &String| (!path.is_empty()).then(|| PathBuf::from(path));
        ClientFiles {
            users: file(&self.client_ca_file),
            proxies: file(&self.requestheader_client_ca_file),
            proxy_names: joined(&self.requestheader_allowed_names),
        }
    }

    /// Headers in which a proxy names a user.
    pub fn proxy_headers(&self) -> ProxyHeaders {
        ProxyHeaders {
            name: joined(&self.requestheader_username_headers),
            uid: joined(&self.requestheader_uid_headers),
            group: joined(&self.requestheader_group_headers),
            extra_prefix: joined(&self.requestheader_extra_headers_prefix),
        }
    }
}

impl AuthorizationFlags {
    /// Paths that anybody may read.
    pub fn open_paths(&self) -> Vec<String> {
        joined(&self.authorization_always_allow_paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_for_names() {
        let plain = sni("a.crt,a.key").unwrap();
        assert_eq!((plain.certificate, plain.key, plain.names), ("a.crt".into(), "a.key".into(), vec![]));
        assert_eq!(sni("a.crt, a.key : x, *.y").unwrap().names, ["x", "*.y"]);
        for text in ["", "a.crt", "a.crt,", "a,b,c", ":x"] {
            assert!(sni(text).is_err(), "{text}");
        }
    }
}
