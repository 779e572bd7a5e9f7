//! UDP: all datagrams of a client go to one member, through a socket of their own, until it is silent for a while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use simulator::openstack::Front;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::forward;

/// How long a client is remembered.
const IDLE: Duration = Duration::from_secs(30);

/// Largest datagram, in bytes.
const LARGEST: usize = 65_535;

pub(crate) async fn open(address: SocketAddr) -> std::io::Result<UdpSocket> {
    UdpSocket::bind(address).await
}

/// A client, and its way to a member.
struct Way {
    member: SocketAddr,
    socket: Arc<UdpSocket>,
    last: Instant,
}

/// Serves until it is aborted.
pub(crate) async fn serve(socket: UdpSocket, front: watch::Receiver<Front>) {
    let socket = Arc::new(socket);
    let mut ways: BTreeMap<SocketAddr, Way> = BTreeMap::new();
    let mut answers = JoinSet::new();
    let mut datagram = vec![0; LARGEST];
    loop {
        // An error is that of an answer that its client no longer took.
        let Ok((length, client)) = socket.recv_from(&mut datagram).await else { continue };
        while answers.try_join_next().is_some() {}
        ways.retain(|_, way| way.last.elapsed() < IDLE);
        let front = front.borrow().clone();
        let Some(member) = forward::order(&front, client).first().copied() else { continue };
        if !forward::may_connect(&front, client.ip()) {
            continue;
        }
        let known = ways.get(&client).filter(|way| way.member == member).map(|way| way.socket.clone());
        let onward = if let Some(onward) = known {
            onward
        } else {
            let Some(onward) = connect(member).await else { continue };
            answers.spawn(carry_back(onward.clone(), socket.clone(), client));
            onward
        };
        let _ = onward.send(&datagram[..length]).await;
        ways.insert(client, Way { member, socket: onward, last: Instant::now() });
    }
}

async fn connect(member: SocketAddr) -> Option<Arc<UdpSocket>> {
    let any: SocketAddr = if member.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(member).await.ok()?;
    Some(Arc::new(socket))
}

async fn carry_back(from: Arc<UdpSocket>, to: Arc<UdpSocket>, client: SocketAddr) {
    let mut datagram = vec![0; LARGEST];
    while let Ok(Ok(length)) = tokio::time::timeout(IDLE, from.recv(&mut datagram)).await {
        let _ = to.send_to(&datagram[..length], client).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn datagrams_go_there_and_back() {
        let member = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let there = member.local_addr().unwrap();
        tokio::spawn(async move {
            let mut heard = [0; 100];
            while let Ok((length, from)) = member.recv_from(&mut heard).await {
                let said = [b"heard ", &heard[..length]].concat();
                member.send_to(&said, from).await.unwrap();
            }
        });
        let front = Front {
            address: IpAddr::from([127, 0, 0, 1]),
            port: 53,
            is_udp: true,
            tells_client: false,
            is_sticky: false,
            ranges: Vec::new(),
            members: vec![(there.ip(), there.port(), 1)],
        };
        let socket = open(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (_sender, receiver) = watch::channel(front);
        let task = tokio::spawn(serve(socket, receiver));
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for word in ["one", "two"] {
            client.send_to(word.as_bytes(), address).await.unwrap();
            let mut said = [0; 100];
            let (length, from) = client.recv_from(&mut said).await.unwrap();
            assert_eq!((&said[..length], from), (format!("heard {word}").as_bytes(), address));
        }
        task.abort();
    }
}
