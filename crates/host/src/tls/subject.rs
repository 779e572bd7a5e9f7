//! Who a certificate is for: common name and organisations of its subject.

/// The parts of a subject that Kubernetes makes a user of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) common_name: String,
    pub(super) organizations: Vec<String>,
}

/// Object identifiers 2.5.4.3 and 2.5.4.10, see X.520.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const IDENTIFIER: u8 = 0x06;

impl Subject {
    /// Reads the content of a `Name` in DER: sets of sequences of an identifier and a text. None if it is malformed, or
    /// has a text in other letters than ASCII's and UTF-8's.
    pub(super) fn read(mut name: &[u8]) -> Option<Self> {
        let mut subject = Self::default();
        while !name.is_empty() {
            let (mut set, rest) = element(name, SET)?;
            name = rest;
            while !set.is_empty() {
                let (attribute, rest) = element(set, SEQUENCE)?;
                set = rest;
                let (identifier, value) = element(attribute, IDENTIFIER)?;
                // The last common name counts, as in Go.
                if identifier == COMMON_NAME {
                    subject.common_name = text(value)?;
                } else if identifier == ORGANIZATION {
                    subject.organizations.push(text(value)?);
                }
            }
        }
        Some(subject)
    }
}

/// The content of the element at the beginning, which has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (own, content, rest) = tagged(der)?;
    (own == tag).then_some((content, rest))
}

fn tagged(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.is_empty() || bytes.len() > 3 {
            return None;
        }
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `UTF8String`, `PrintableString`, `IA5String`, `TeletexString` as far as they are the same letters.
fn text(value: &[u8]) -> Option<String> {
    let (tag, content, rest) = tagged(value)?;
    let known = matches!(tag, 0x0c | 0x13 | 0x14 | 0x16) && rest.is_empty();
    let utf8 = tag == 0x0c;
    let text = std::str::from_utf8(content).ok().filter(|text| known && (utf8 || text.is_ascii()))?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::DnType;

    use super::*;

    fn of(names: &[(DnType, &str)]) -> Option<Subject> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, name) in names {
            parameters.distinguished_name.push(kind.clone(), *name);
        }
        let certificate = parameters.self_signed(&key).unwrap();
        Subject::read(webpki::EndEntityCert::try_from(certificate.der()).unwrap().subject())
    }

    #[test]
    fn names_are_read() {
        let long = "x".repeat(200);
        let names = [
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "system:masters"),
            (DnType::CommonName, long.as_str()),
        ];
        let subject = Subject { common_name: long.clone(), organizations: vec!["system:masters".to_owned()] };
        assert_eq!(of(&names), Some(subject));
        assert_eq!(of(&[]), Some(Subject::default()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_end_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Subject::read(&bytes);
        }
    }
}
