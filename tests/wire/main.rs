//! The product's transport on real sockets: TLS as operators set it up, proxies, hostile servers.
//!
//! Each request is made by a process of its own (`client.rs`), since the environment says which roots and proxies
//! count, and so that its memory can be measured. Servers are threads of the test; all of it stays on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a client tells its test what it met")]
#![allow(clippy::disallowed_methods, reason = "real processes take real time, on threads of their own")]

mod client;
mod hostile;
mod proxy;
mod server;
mod tls;
