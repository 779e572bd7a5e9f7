//! Proxies from the environment, and names that resolve in odd ways.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::client::Job;
use crate::server::{reply, serve, serve_at, serve_on};

/// A proxy: tunnels what is asked with CONNECT, answers 299 to all else, and notes what it was asked for.
fn proxy(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&asked);
    let address = serve(move |stream, request| {
        log.lock().unwrap().push(request.line.clone());
        if !request.line.starts_with("CONNECT ") {
            return reply(stream, "299 By Proxy", b"");
        }
        let mut there = TcpStream::connect(to).unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let (mut back, mut from) = (stream.try_clone().unwrap(), there.try_clone().unwrap());
        std::thread::spawn(move || copy(&mut from, &mut back));
        copy(stream, &mut there);
    });
    (address, asked)
}

fn copy(from: &mut TcpStream, to: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn proxies_of_the_environment_are_used_but_for_what_is_excepted() {
    let server = serve(|stream, _| reply(stream, "204 No Content", b""));
    let (proxy, asked) = proxy(server);
    let proxy = format!("http://{proxy}");
    let get = |url: &str| Job::get(url);
    let run = |job: Job| job.run().answer;

    assert_eq!(run(get("http://cloud.example/x").env("HTTP_PROXY", proxy.as_str())).unwrap(), "299");
    assert_eq!(asked.lock().unwrap().drain(..).collect::<Vec<_>>(), ["GET http://cloud.example/x HTTP/1.1"]);

    // The tunnel leads to a server without TLS: that it was asked for is what counts.
    assert!(run(get("https://cloud.example:8774/x").env("HTTPS_PROXY", proxy.as_str())).is_err());
    let first = asked.lock().unwrap().drain(..).next();
    assert_eq!(first.as_deref(), Some("CONNECT cloud.example:8774 HTTP/1.1"));

    let direct = format!("http://{server}/");
    for excepted in ["127.0.0.1", "127.0.0.0/8", "10.0.0.0/8,127.0.0.1"] {
        let job = get(&direct).env("HTTP_PROXY", proxy.as_str()).env("NO_PROXY", excepted);
        assert_eq!(run(job).unwrap(), "204", "{excepted}");
    }
    let job =
        get("http://api.cloud.example/").env("HTTP_PROXY", proxy.as_str()).env("NO_PROXY", "other.example");
    assert_eq!(run(job).unwrap(), "299");
}

#[test]
fn a_tunnel_that_the_proxy_refuses_is_an_error() {
    let refusing = serve(|stream, _| reply(stream, "407 Proxy Authentication Required", b"hunter2"));
    let job = Job::get("https://cloud.example/").env("HTTPS_PROXY", format!("http://{refusing}"));
    let error = job.run().answer.unwrap_err();
    assert!(error.starts_with("cannot connect") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_connection_is_used_again() {
    let (address, connections) = serve_on(|stream, asked| {
        let host = asked.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let nova = format!(r#"{{"interface": "public", "url": "http://{host}/v2.1"}}"#);
        let body = if asked.line.contains("/auth/tokens") {
            format!(r#"{{"token": {{"catalog": [{{"type": "compute", "endpoints": [{nova}]}}]}}}}"#)
        } else {
            r#"{"server": {"id": "s", "name": "s", "status": "ACTIVE"}}"#.to_owned()
        };
        let head = format!("HTTP/1.1 201 Created\r\nx-subject-token: t\r\ncontent-length: {}", body.len());
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
    });
    let outcome = Job::call(&format!("http://{address}")).with("limit", 30).run();
    assert_eq!(outcome.answer.as_deref(), Ok("ok"));
    assert_eq!(connections.load(Ordering::SeqCst), 1, "the login's connection carries the call");
}

#[test]
fn addresses_of_both_families_are_reached() {
    let four = serve_at("127.0.0.1:0", |stream, _| reply(stream, "204 No Content", b""));
    let six = serve_at("[::1]:0", |stream, _| reply(stream, "204 No Content", b""));
    let ports = [("localhost", four.port()), ("127.0.0.1", four.port()), ("[::1]", six.port())];
    for (host, port) in ports {
        let answer = Job::get(&format!("http://{host}:{port}/")).run().answer;
        assert_eq!(answer.as_deref(), Ok("204"), "{host}");
    }
    let unknown = Job::get("http://no-such-name.invalid/").run();
    assert!(unknown.answer.unwrap_err().starts_with("cannot connect"));
}
