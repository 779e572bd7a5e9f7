//! Requests to the echo pods, as a client outside of the cluster or on a node.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::lab;

/// Longest wait for an answer once connected.
const ANSWER: Duration = Duration::from_secs(5);

/// What an echo pod has answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The node it runs on.
    pub node: String,
    /// How long the answer took, connecting included.
    pub took: Duration,
}

/// Sends one request on a connection of its own. A packet that nobody answers is sent again after one second (RFC
/// 6298), so `connect` below one second means that the first one must arrive.
pub fn ask(address: IpAddr, port: u16, connect: Duration) -> Result<Answer, String> {
    let begun = Instant::now();
    let body = exchange(SocketAddr::new(address, port), connect)
        .map_err(|error| format!("{address}:{port} after {} ms: {error}", begun.elapsed().as_millis()))?;
    answer(&body, begun.elapsed())
}

/// Sends one request from a node. `Err` is what curl said.
pub fn ask_from_node(cluster: &Cluster, node: &str, address: IpAddr, port: u16) -> Result<Answer, String> {
    let begun = Instant::now();
    let url = format!("http://{address}:{port}/");
    let curl = ["curl", "-sS", "-m", "5", &url];
    let body = lab::try_run(&[&["node", "exec", "--cluster", &cluster.letter, node], &curl[..]].concat())?;
    answer(&body, begun.elapsed())
}

fn exchange(address: SocketAddr, connect: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, connect)?;
    stream.set_read_timeout(Some(ANSWER))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn answer(body: &str, took: Duration) -> Result<Answer, String> {
    let echoed: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {body:?}"))?;
    let node = echoed["node"].as_str().ok_or_else(|| format!("no node in {body}"))?;
    Ok(Answer { node: node.to_owned(), took })
}
