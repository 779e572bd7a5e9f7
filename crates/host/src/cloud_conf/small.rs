//! The smaller sections.

use std::net::IpAddr;
use std::time::Duration;

use super::table::section;
use crate::gcfg::{Invalid, Value};

section! {
    /// Which addresses of a server its Node gets, and in what order.
    ["Networking", Plain] read by [CloudController]
    pub struct Networking {
        /// Nodes get no IPv6 addresses
        "ipv6-support-disabled" ipv6_support_disabled: bool = false;
        /// network whose addresses become `ExternalIP`
        "public-network-name" public_network_name: Vec<String> = Vec::new();
        /// when given, the only networks whose addresses become `InternalIP`
        "internal-network-name" internal_network_name: Vec<String> = Vec::new();
        /// CIDRs, separated by commas or blanks: addresses in an earlier one come first
        "address-sort-order" address_sort_order: Ranges = Ranges::default(), odd Ranges::odd;
    }
}

section! {
    /// Routes to the pods of each Node.
    ["Route", Plain] read by [CloudController]
    pub struct Route {
        /// router that carries the routes
        "router-id" router_id: Option<String> = None, later "routes are not managed";
    }
}

section! {
    /// How a server learns about itself, and how long OpenStack may take to answer.
    ["Metadata", Plain] read by [CloudController, CinderPlugin]
    pub struct Metadata {
        /// longest time for one call to OpenStack
        "request-timeout" request_timeout: Duration = Duration::from_secs(60);
        /// where to look first: `configDrive`, `metadataService` or both; for programs that run on nodes
        "search-order" search_order: SearchOrder = SearchOrder(vec!["configDrive".to_owned(), "metadataService".to_owned()]);
    }
}

section! {
    /// Volumes. The program that reads this section is not part of this version; the keys are checked.
    ["BlockStorage", Plain] read by [CinderPlugin]
    pub struct BlockStorage {
        /// how many volumes a node takes; below 0 and above 256 count as 256, 0 as no limit
        "node-volume-attach-limit" node_volume_attach_limit: i64 = 0;
        /// make the kernel look at the size of a device before its filesystem grows
        "rescan-on-resize" rescan_on_resize: bool = false;
        /// let pods run in any zone, whatever the zone of their volumes
        "ignore-volume-az" ignore_volume_az: bool = false;
        /// for old Cinder: ask for no microversions, which rules out growth of volumes in use
        "ignore-volume-microversion" ignore_volume_microversion: bool = false;
    }
}

section! {
    /// What is new in these programs. The Go programs ignore this section, so a way back needs no edit.
    ["Compatibility", Plain] ours "yes" read by [CloudController, CinderPlugin]
    pub struct Compatibility {
        /// `upstream`: objects in the cloud change only where the Go program would change them; `recommended`: all improvements.
        /// There is no difference between the two yet
        "profile" profile: Profile = Profile::Upstream;
    }
}

/// Ranges of addresses, as written; those that are none are told and left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Address and length of the prefix.
    pub ranges: Vec<(IpAddr, u8)>,
    /// Which of the items are none, from 1.
    wrong: Vec<usize>,
}

impl Ranges {
    fn odd(&self) -> Vec<String> {
        let remark =
            |number: &usize| format!("item {number} is not a CIDR such as 10.0.0.0/8 and is left out");
        self.wrong.iter().map(remark).collect()
    }
}

impl Value for Ranges {
    const KIND: &'static str = "CIDRs";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        let text = <String as Value>::parse(text)?;
        let mut ranges = Self::default();
        let items = text.split([',', ' ', '\t']).filter(|item| !item.is_empty());
        for (index, item) in items.enumerate() {
            match range(item) {
                Some(range) => ranges.ranges.push(range),
                None => ranges.wrong.push(index + 1),
            }
        }
        Ok(ranges)
    }

    fn show(&self) -> String {
        let items: Vec<String> =
            self.ranges.iter().map(|(address, length)| format!("{address}/{length}")).collect();
        items.join(", ")
    }
}

fn range(item: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = item.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    // No signs and no leading zeros, which Rust would take.
    let plain = length.len() == 1 || !length.starts_with(['0', '+']);
    length.parse().ok().filter(|length| plain && *length <= longest).map(|length| (address, length))
}

/// `configDrive`, `metadataService`, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchOrder(pub Vec<String>);

impl Value for SearchOrder {
    const KIND: &'static str = "words";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        let places: Vec<String> =
            text.unwrap_or_default().split(',').map(|place| place.trim().to_owned()).collect();
        let known = |place: &String| ["configDrive", "metadataService"].contains(&place.as_str());
        if places.len() <= 2 && places.iter().all(known) {
            Ok(Self(places))
        } else {
            Err(Invalid::fatal("expected configDrive, metadataService or both, separated by a comma"))
        }
    }

    fn show(&self) -> String {
        self.0.join(",")
    }
}

/// How far the programs may differ from the Go ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Objects in the cloud change only where the Go program would change them.
    #[default]
    Upstream,
    /// All improvements.
    Recommended,
}

impl Value for Profile {
    const KIND: &'static str = "word";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        match text {
            Some("upstream") => Ok(Self::Upstream),
            Some("recommended") => Ok(Self::Recommended),
            _ => Err(Invalid::Ignored("expected upstream or recommended".to_owned())),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Upstream => "upstream",
            Self::Recommended => "recommended",
        }
        .to_owned()
    }
}
