//! Who sent a request: named by a proxy in headers, by a certificate, or by a token that others must look up.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;

use crate::tls::{CertificateUser, Peer};

/// A user of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Unique id, where there is one.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// More, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody we know.
    User(User),
    /// The bearer of this token.
    Bearer(String),
    /// Anybody.
    Anonymous,
}

/// The headers in which a proxy names a user, as `--requestheader-*` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeaders {
    /// The user's name; the first that is there counts.
    pub name: Vec<String>,
    /// The user's unique id; the first that is there counts.
    pub uid: Vec<String>,
    /// Groups, one a header.
    pub group: Vec<String>,
    /// Begin of the names of headers with more.
    pub extra_prefix: Vec<String>,
}

/// Everybody whom we know is a member.
const AUTHENTICATED: &str = "system:authenticated";

impl Caller {
    /// In the order of Kubernetes' components: proxy, certificate, token.
    pub(super) fn of(peer: &Peer, headers: &HeaderMap, names: &ProxyHeaders) -> Self {
        let named = peer.is_proxy.then(|| names.user(headers)).flatten();
        let shown = || peer.user.as_ref().map(User::from);
        if let Some(mut user) = named.or_else(shown) {
            if !user.groups.iter().any(|group| group == AUTHENTICATED) {
                user.groups.push(AUTHENTICATED.to_owned());
            }
            return Self::User(user);
        }
        bearer(headers).map_or(Self::Anonymous, |token| Self::Bearer(token.to_owned()))
    }
}

impl From<&CertificateUser> for User {
    fn from(certificate: &CertificateUser) -> Self {
        Self { name: certificate.name.clone(), groups: certificate.groups.clone(), ..Self::default() }
    }
}

impl ProxyHeaders {
    fn user(&self, headers: &HeaderMap) -> Option<User> {
        let first = |names: &[String]| {
            names.iter().find_map(|name| text(headers, name).find(|text| !text.is_empty()))
        };
        let extra = headers.keys().filter_map(|header| {
            let mut prefixes = self.extra_prefix.iter().map(|prefix| prefix.to_ascii_lowercase());
            let key = prefixes.find_map(|prefix| header.as_str().strip_prefix(&prefix))?;
            let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
            Some((key, text(headers, header.as_str()).collect()))
        });
        Some(User {
            name: first(&self.name)?,
            uid: first(&self.uid).unwrap_or_default(),
            groups: self.group.iter().flat_map(|name| text(headers, name)).collect(),
            extra: extra.collect(),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = String> + 'a {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn usual() -> ProxyHeaders {
        let one = |name: &str| vec![name.to_owned()];
        ProxyHeaders {
            name: one("X-Remote-User"),
            uid: one("X-Remote-Uid"),
            group: one("x-remote-group"),
            extra_prefix: one("X-Remote-Extra-"),
        }
    }

    const FORGED: [(&str, &str); 5] = [
        ("x-remote-user", "admin"),
        ("x-remote-uid", "7"),
        ("x-remote-group", "a"),
        ("x-remote-group", "system:masters"),
        ("x-remote-extra-scopes%2fread", "b"),
    ];

    #[test]
    fn a_proxy_names_the_user_and_nobody_else_does() {
        let proxy = Peer { is_proxy: true, user: None };
        let Caller::User(user) = Caller::of(&proxy, &headers(&FORGED), &usual()) else { panic!() };
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("admin", "7"));
        assert_eq!(user.groups, ["a", "system:masters", "system:authenticated"]);
        assert_eq!(user.extra["scopes/read"], ["b"]);

        assert_eq!(Caller::of(&Peer::default(), &headers(&FORGED), &usual()), Caller::Anonymous);
        let someone = CertificateUser { name: "u".to_owned(), groups: vec!["g".to_owned()] };
        let shown = Peer { is_proxy: false, user: Some(someone) };
        let Caller::User(user) = Caller::of(&shown, &headers(&FORGED), &usual()) else { panic!() };
        assert_eq!(
            (user.name.as_str(), &user.groups[..]),
            ("u", &["g".to_owned(), "system:authenticated".to_owned()][..])
        );
    }

    #[test]
    fn a_proxy_that_names_nobody_is_itself() {
        let itself = CertificateUser { name: "front-proxy".to_owned(), groups: Vec::new() };
        let proxy = Peer { is_proxy: true, user: Some(itself) };
        let Caller::User(user) = Caller::of(&proxy, &headers(&[("x-remote-user", "")]), &usual()) else {
            panic!()
        };
        assert_eq!(user.name, "front-proxy");
    }

    #[test]
    fn tokens_are_read_from_the_header() {
        let caller =
            |value: &str| Caller::of(&Peer::default(), &headers(&[("authorization", value)]), &usual());
        assert_eq!(caller("Bearer abc"), Caller::Bearer("abc".to_owned()));
        assert_eq!(caller("bearer  abc "), Caller::Bearer("abc".to_owned()));
        for value in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(caller(value), Caller::Anonymous, "{value}");
        }
    }
}
