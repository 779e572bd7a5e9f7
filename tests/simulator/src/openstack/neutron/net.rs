//! Addresses and address ranges.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address range: first address and length of the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    base: IpAddr,
    length: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/24`; a bare address is a range of one. Host bits stay, as in Neutron's `str(IPNetwork(…))`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (base, length) = text.split_once('/').map_or((text, None), |(base, length)| (base, Some(length)));
        let base: IpAddr = base.parse().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let length =
            length.map_or(Some(most), |length| length.parse().ok()).filter(|length| *length <= most)?;
        Some(Self { base, length })
    }

    /// The range itself, without host bits.
    pub(crate) fn network(&self) -> Self {
        Self { base: self.nth(0), length: self.length }
    }

    /// Whether it holds every address there is.
    pub(crate) fn is_everything(&self) -> bool {
        self.length == 0
    }

    /// 4 or 6.
    pub(crate) fn version(&self) -> u8 {
        if self.base.is_ipv4() { 4 } else { 6 }
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.base.is_ipv4() && (self.first()..=self.last()).contains(&number(ip))
    }

    /// Whether two ranges have an address in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.version() == other.version() && self.first() <= other.last() && other.first() <= self.last()
    }

    /// The `n`-th address.
    pub(crate) fn nth(&self, n: u128) -> IpAddr {
        self.address(self.first() + n)
    }

    /// What addresses Neutron hands out unless told otherwise: all but the network's, the broadcast's and `gateway`,
    /// in one or two ranges.
    pub(crate) fn default_pools(&self, gateway: Option<IpAddr>) -> Vec<(IpAddr, IpAddr)> {
        let (first, mut last) = (self.first() + 1, self.last());
        if self.version() == 4 {
            last -= 1;
        }
        let mut pools = Vec::new();
        let mut add = |from: u128, to: u128| {
            if from <= to {
                pools.push((self.address(from), self.address(to)));
            }
        };
        match gateway.filter(|ip| self.contains(*ip)).map(number) {
            Some(gateway) if gateway >= first && gateway <= last => {
                add(first, gateway - 1);
                add(gateway + 1, last);
            }
            _ => add(first, last),
        }
        pools
    }

    fn width(&self) -> u8 {
        if self.base.is_ipv4() { 32 } else { 128 }
    }

    fn first(&self) -> u128 {
        number(self.base) & !self.host_bits()
    }

    fn last(&self) -> u128 {
        self.first() | self.host_bits()
    }

    fn host_bits(&self) -> u128 {
        let bits = u32::from(self.width() - self.length);
        if bits == 128 { u128::MAX } else { (1 << bits) - 1 }
    }

    fn address(&self, number: u128) -> IpAddr {
        from_number(number, self.base.is_ipv4())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.base, self.length)
    }
}

/// The addresses from `first` to `last`.
pub(crate) fn range(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    (number(first)..=number(last)).map(move |n| from_number(n, first.is_ipv4()))
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn from_number(number: u128, is_v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(small) if is_v4 => Ipv4Addr::from(small).into(),
        _ => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn ranges_know_their_addresses() {
        let net = cidr("10.0.0.0/24");
        assert!(net.contains("10.0.0.255".parse().unwrap()) && !net.contains("10.0.1.0".parse().unwrap()));
        assert!(net.overlaps(&cidr("10.0.0.128/25")) && !net.overlaps(&cidr("10.0.1.0/24")));
        assert_eq!(net.nth(1).to_string(), "10.0.0.1");
        assert!(
            cidr("::/0").contains("fd00::1".parse().unwrap())
                && !cidr("::/0").contains("10.0.0.1".parse().unwrap())
        );
        for wrong in ["10.0.0.0/33", "10.0.0/24", "x", "fd00::/129"] {
            assert_eq!(Cidr::parse(wrong), None);
        }
    }

    #[test]
    fn the_gateway_is_not_handed_out() {
        let pools = |text, gateway: &str| {
            let pools = cidr(text).default_pools(gateway.parse().ok());
            pools.iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>()
        };
        assert_eq!(pools("10.0.0.0/24", "10.0.0.1"), ["10.0.0.2-10.0.0.254"]);
        assert_eq!(pools("10.0.0.0/24", "10.0.0.9"), ["10.0.0.1-10.0.0.8", "10.0.0.10-10.0.0.254"]);
        assert_eq!(pools("10.0.0.0/24", ""), ["10.0.0.1-10.0.0.254"]);
        assert_eq!(pools("fd00::/120", "fd00::1"), ["fd00::2-fd00::ff"]);
    }
}
