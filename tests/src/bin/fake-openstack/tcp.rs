//! TCP: a connection is led to a member, and to the next one if that does not answer.

use std::net::SocketAddr;
use std::time::Duration;

use simulator::openstack::Front;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::forward;

/// How long a member has to take a connection.
const CONNECT: Duration = Duration::from_secs(3);

pub(crate) async fn open(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until it is aborted; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, front: watch::Receiver<Front>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, client)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let front = front.borrow().clone();
        if forward::may_connect(&front, client.ip()) {
            connections.spawn(lead(stream, client, front));
        }
    }
}

async fn lead(mut stream: TcpStream, client: SocketAddr, front: Front) {
    for member in forward::order(&front, client) {
        let Ok(Ok(mut onward)) = tokio::time::timeout(CONNECT, TcpStream::connect(member)).await else {
            continue;
        };
        let told = if front.tells_client {
            onward.write_all(header(client, &front).as_bytes()).await
        } else {
            Ok(())
        };
        if told.is_ok() {
            // Either side may break it off.
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
        return;
    }
}

/// The first version's header, see the PROXY protocol's specification, 2.1.
fn header(client: SocketAddr, front: &Front) -> String {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", client.ip(), front.address, client.port(), front.port)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// A member that says what it hears, after its name.
    async fn echo(name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut heard = vec![0; 200];
                let count = stream.read(&mut heard).await.unwrap();
                stream.write_all(format!("{name} ").as_bytes()).await.unwrap();
                stream.write_all(&heard[..count]).await.unwrap();
            }
        });
        address
    }

    async fn ask(to: SocketAddr) -> String {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let _ = stream.write_all(b"hello").await;
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said).await;
        said
    }

    fn front(members: &[SocketAddr]) -> Front {
        Front {
            address: IpAddr::from([127, 0, 0, 1]),
            port: 80,
            is_udp: false,
            tells_client: false,
            is_sticky: false,
            ranges: Vec::new(),
            members: members.iter().map(|member| (member.ip(), member.port(), 1)).collect(),
        }
    }

    #[tokio::test]
    async fn connections_follow_the_members() {
        let (one, two) = (echo("one").await, echo("two").await);
        let listener = open(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(front(&[one]));
        let task = tokio::spawn(serve(listener, receiver));
        assert_eq!(ask(address).await, "one hello");
        sender.send_replace(front(&[two]));
        assert_eq!(ask(address).await, "two hello");
        // One that is dead is passed over.
        let dead = SocketAddr::from(([127, 0, 0, 1], 1));
        sender.send_replace(Front {
            members: vec![(dead.ip(), 1, 256), (two.ip(), two.port(), 1)],
            ..front(&[])
        });
        assert_eq!(ask(address).await, "two hello");
        sender.send_replace(Front { tells_client: true, ..front(&[one]) });
        let said = ask(address).await;
        assert!(
            said.starts_with("one PROXY TCP4 127.0.0.1 127.0.0.1 ") && said.contains(" 80\r\n"),
            "{said}"
        );
        sender.send_replace(Front { ranges: vec!["10.0.0.0/8".into()], ..front(&[one]) });
        assert_eq!(ask(address).await, "");
        task.abort();
    }
}
