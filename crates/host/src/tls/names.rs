//! Go's names of cipher suites and numbers of key exchange groups, as the flags have them.

use rustls::SupportedCipherSuite;
use rustls::crypto::{SupportedKxGroup, ring};

/// What `--tls-cipher-suites` may name: the suites that Go's crypto/tls lists, weak ones among them.
const KNOWN_SUITES: [&str; 25] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

/// Names of which we know nothing.
pub fn unknown_suites(names: &[String]) -> Vec<&str> {
    let known = |name: &&str| {
        KNOWN_SUITES.contains(name)
            || *name == "TLS_RSA_WITH_AES_128_CBC_SHA256"
            || *name == "TLS_RSA_WITH_RC4_128_SHA"
    };
    names.iter().map(String::as_str).filter(|name| !known(name)).collect()
}

/// The suites that may be spoken. As in Go the list is about TLS 1.2 alone; without a list, all strong ones. Weak ones are
/// never spoken.
pub(super) fn suites(names: &[String]) -> Vec<SupportedCipherSuite> {
    let wanted = |suite: &SupportedCipherSuite| {
        let is_tls13 = suite.tls13().is_some();
        let name = format!("{:?}", suite.suite());
        let old = name.trim_end_matches("_SHA256");
        is_tls13
            || names.is_empty()
            || names.iter().any(|wanted| *wanted == name || (wanted == old && old.ends_with("POLY1305")))
    };
    ring::ALL_CIPHER_SUITES.iter().copied().filter(wanted).collect()
}

/// The groups of `--tls-curve-preferences`, by their numbers at IANA; those we do not have are left out. Without a list,
/// all.
pub(super) fn groups(numbers: &[u16]) -> Vec<&'static dyn SupportedKxGroup> {
    let ours = ring::ALL_KX_GROUPS;
    if numbers.is_empty() {
        return ours.to_vec();
    }
    numbers
        .iter()
        .filter_map(|number| ours.iter().copied().find(|group| u16::from(group.name()) == *number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(unknown_suites(&names), Vec::<&str>::new());
        let suites = suites(&names);
        suites
            .iter()
            .filter(|suite| suite.tls13().is_none())
            .map(|suite| format!("{:?}", suite.suite()))
            .collect()
    }

    #[test]
    fn a_list_narrows_tls_12_and_weak_suites_are_never_spoken() {
        assert_eq!(of(&[]).len(), 6);
        assert_eq!(of(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]), ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        assert_eq!(
            of(&["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"]),
            ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"],
            "the old name"
        );
        assert_eq!(of(&["TLS_RSA_WITH_AES_128_CBC_SHA"]), Vec::<String>::new());
        assert_eq!(suites(&["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned()]).len(), 3, "TLS 1.3 stays");
        assert_eq!(unknown_suites(&["TLS_NONSENSE".to_owned()]), ["TLS_NONSENSE"]);
    }

    #[test]
    fn groups_keep_the_order_of_the_flag() {
        let numbers =
            |wanted: &[u16]| -> Vec<u16> { groups(wanted).iter().map(|group| group.name().into()).collect() };
        assert_eq!(numbers(&[24, 4588, 29]), [24, 29]);
        assert_eq!(numbers(&[]).len(), 3);
    }
}
