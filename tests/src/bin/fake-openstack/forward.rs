//! Addresses of load balancers on loopback: opened, changed and closed as the simulated ones are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simulator::openstack::{Front, Operator};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{tcp, tell, udp};

/// How often the simulated load balancers are looked at.
const PERIOD: Duration = Duration::from_millis(50);

/// One that is open.
struct Open {
    front: watch::Sender<Front>,
    task: JoinHandle<()>,
}

/// Follows the cloud for ever.
pub(crate) async fn keep_up(operator: Operator) {
    let mut open: BTreeMap<(IpAddr, u16, bool), Open> = BTreeMap::new();
    loop {
        let wanted: BTreeMap<(IpAddr, u16, bool), Front> = operator
            .fronts()
            .into_iter()
            .filter(|front| front.address.is_loopback())
            .map(|front| ((front.address, front.port, front.is_udp), front))
            .collect();
        open.retain(|key, one| {
            let stays = wanted.contains_key(key) && !one.task.is_finished();
            if !stays {
                one.task.abort();
            }
            stays
        });
        for (key, front) in wanted {
            match open.get(&key) {
                Some(one) => {
                    one.front.send_if_modified(|now| {
                        let changes = *now != front;
                        *now = front.clone();
                        changes
                    });
                }
                None => {
                    if let Some(one) = start(front).await {
                        open.insert(key, one);
                    }
                }
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn start(front: Front) -> Option<Open> {
    let address = SocketAddr::new(front.address, front.port);
    let is_udp = front.is_udp;
    let (sender, receiver) = watch::channel(front);
    let task = if is_udp {
        udp::open(address).await.map(|socket| tokio::spawn(udp::serve(socket, receiver)))
    } else {
        tcp::open(address).await.map(|listener| tokio::spawn(tcp::serve(listener, receiver)))
    };
    match task {
        Ok(task) => Some(Open { front: sender, task }),
        Err(error) => {
            tell(&format!("cannot listen on {address}: {error}"));
            None
        }
    }
}

/// The members in the order in which a client tries them: the same client always begins with the same one, and by weight
/// each takes its part of all clients.
pub(crate) fn order(front: &Front, client: SocketAddr) -> Vec<SocketAddr> {
    // FNV-1a over address and, unless one client shall keep to one member, port.
    let port = if front.is_sticky { 0 } else { client.port() };
    let mut bytes = client.ip().to_string().into_bytes();
    bytes.extend(port.to_be_bytes());
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let total: u64 = front.members.iter().map(|(_, _, weight)| u64::from(*weight)).sum();
    if total == 0 {
        return Vec::new();
    }
    // Ports that follow each other differ in few bits of FNV: mixed, as MurmurHash3 ends.
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mut at = (hash ^ (hash >> 33)) % total;
    let first = front.members.iter().position(|(_, _, weight)| {
        let weight = u64::from(*weight);
        let here = at < weight;
        at = at.saturating_sub(weight);
        here
    });
    let (before, after) = front.members.split_at(first.unwrap_or(0));
    after.iter().chain(before).map(|(ip, port, _)| SocketAddr::new(*ip, *port)).collect()
}

/// Whether a client may connect.
pub(crate) fn may_connect(front: &Front, client: IpAddr) -> bool {
    front.ranges.is_empty() || front.ranges.iter().any(|range| within(range, client))
}

fn within(range: &str, client: IpAddr) -> bool {
    let Some((base, length)) = range.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    match (base, client) {
        (IpAddr::V4(base), IpAddr::V4(client)) => {
            let cut = 32_u32.saturating_sub(length);
            (base.to_bits() ^ client.to_bits()).checked_shr(cut).unwrap_or(0) == 0
        }
        (IpAddr::V6(base), IpAddr::V6(client)) => {
            let cut = 128_u32.saturating_sub(length);
            (base.to_bits() ^ client.to_bits()).checked_shr(cut).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(weights: &[u16]) -> Front {
        let member = |(n, weight): (usize, &u16)| {
            (IpAddr::from([127, 0, 0, u8::try_from(n).unwrap() + 1]), 80, *weight)
        };
        Front {
            address: IpAddr::from([127, 0, 0, 1]),
            port: 80,
            is_udp: false,
            tells_client: false,
            is_sticky: false,
            ranges: Vec::new(),
            members: weights.iter().enumerate().map(member).collect(),
        }
    }

    fn firsts(front: &Front) -> BTreeMap<SocketAddr, usize> {
        let mut counts = BTreeMap::new();
        for port in 10_000..14_000 {
            *counts.entry(order(front, SocketAddr::from(([127, 0, 0, 9], port)))[0]).or_default() += 1;
        }
        counts
    }

    #[test]
    fn members_take_their_part_by_weight() {
        let counts: Vec<usize> = firsts(&front(&[1, 1, 2])).into_values().collect();
        assert!((800..1200).contains(&counts[0]) && (800..1200).contains(&counts[1]), "{counts:?}");
        assert!((1700..2300).contains(&counts[2]), "{counts:?}");
        let few = (40_000..40_030)
            .filter(|port| {
                order(&front(&[1, 1]), SocketAddr::from(([127, 0, 0, 9], *port)))[0].ip()
                    == IpAddr::from([127, 0, 0, 1])
            })
            .count();
        assert!((8..22).contains(&few), "{few} of 30 ports in a row");
        assert_eq!(order(&front(&[]), SocketAddr::from(([127, 0, 0, 9], 1))), []);
    }

    #[test]
    fn a_client_that_is_to_stay_does() {
        let sticky = Front { is_sticky: true, ..front(&[1, 1, 1]) };
        assert_eq!(firsts(&sticky).len(), 1);
        let all = order(&sticky, SocketAddr::from(([127, 0, 0, 9], 1)));
        assert_eq!(all.len(), 3, "the others come after it");
    }

    #[test]
    fn ranges_keep_others_out() {
        let open = |ranges: &[&str], client: [u8; 4]| {
            let ranges = ranges.iter().map(|range| (*range).to_owned()).collect();
            may_connect(&Front { ranges, ..front(&[1]) }, IpAddr::from(client))
        };
        assert!(open(&[], [127, 9, 9, 9]));
        assert!(open(&["10.0.0.0/8", "127.9.0.0/16"], [127, 9, 1, 1]));
        assert!(!open(&["10.0.0.0/8", "127.9.0.0/16"], [127, 8, 1, 1]));
        assert!(open(&["0.0.0.0/0"], [1, 2, 3, 4]));
        assert!(!open(&["::/0"], [1, 2, 3, 4]));
    }
}
