//! What a request is about: its path and query, taken apart.

use std::collections::BTreeMap;

use http::{Method, Request};
use percent_encoding::percent_decode_str;

use super::kind::Kind;

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) place: Place,
    pub(crate) content_type: String,
    /// The bearer token.
    pub(crate) token: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What a path leads to.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Objects of a kind, or one of them.
    Objects {
        kind: &'static Kind,
        /// Empty: all, or the kind has none.
        namespace: String,
        /// Empty: all.
        name: String,
        /// Empty: the object itself.
        subresource: String,
    },
    /// A question that is answered at once and not kept.
    Review(Review),
    /// `/version`, `/readyz`, …
    Server,
    /// Nothing that is served.
    Nowhere,
}

/// The questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Review {
    Token,
    SubjectAccess,
}

impl Review {
    /// Group and resource.
    pub(crate) fn resource(self) -> (&'static str, &'static str) {
        match self {
            Self::Token => ("authentication.k8s.io", "tokenreviews"),
            Self::SubjectAccess => ("authorization.k8s.io", "subjectaccessreviews"),
        }
    }
}

impl Ask {
    pub(crate) fn of(request: &Request<bytes::Bytes>) -> Self {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = header("content-type").unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
        let token =
            header("authorization").and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        let path = request.uri().path().to_owned();
        Self {
            method: request.method().clone(),
            query: query(request.uri().query().unwrap_or_default()),
            place: place(&path),
            path,
            content_type,
            token,
            body: request.body().to_vec(),
        }
    }

    /// A parameter of the query, empty if it is not there.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// A parameter that is true or false.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), "1" | "true")
    }

    pub(crate) fn is_watch(&self) -> bool {
        let collection = matches!(&self.place, Place::Objects { name, .. } if name.is_empty());
        collection && self.method == Method::GET && self.flag("watch")
    }

    /// The path with `{id}` in place of names; a watch stands as `/api/v1/watch/nodes`, as its old path was.
    pub(crate) fn template(&self) -> String {
        let Place::Objects { kind, namespace, name, subresource } = &self.place else {
            return self.path.clone();
        };
        let mut path =
            if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
        path.push('/');
        path += kind.version;
        if self.is_watch() {
            path += "/watch";
        }
        if !namespace.is_empty() {
            path += "/namespaces/{id}";
        }
        path.push('/');
        path += kind.plural;
        if !name.is_empty() {
            path += "/{id}";
        }
        if !subresource.is_empty() {
            path.push('/');
            path += subresource;
        }
        path
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn place(path: &str) -> Place {
    let decoded: Vec<String> = path
        .trim_matches('/')
        .split('/')
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["version" | "readyz" | "livez" | "healthz"] => return Place::Server,
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Place::Nowhere,
    };
    for review in [Review::Token, Review::SubjectAccess] {
        if (group, rest) == (review.resource().0, &[review.resource().1]) && version == "v1" {
            return Place::Review(review);
        }
    }
    let (namespace, rest) = match rest {
        // A namespace itself is an object without namespace.
        ["namespaces", namespace, plural, rest @ ..]
            if Kind::find(group, version, plural).is_some_and(|kind| kind.namespaced) =>
        {
            (*namespace, [&[*plural], rest].concat())
        }
        rest => ("", rest.to_vec()),
    };
    let [plural, rest @ ..] = rest.as_slice() else { return Place::Nowhere };
    let Some(kind) = Kind::find(group, version, plural) else { return Place::Nowhere };
    let (name, subresource) = match rest {
        [] => ("", ""),
        [name] => (*name, ""),
        [name, subresource] => (*name, *subresource),
        _ => return Place::Nowhere,
    };
    let served = subresource.is_empty()
        || (subresource == "status" && kind.has_status)
        || (subresource == "token" && kind.plural == "serviceaccounts");
    // One object of a kind with namespaces has one.
    if !served || (!name.is_empty() && kind.namespaced && namespace.is_empty()) {
        return Place::Nowhere;
    }
    let owned = str::to_owned;
    Place::Objects { kind, namespace: owned(namespace), name: owned(name), subresource: owned(subresource) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn template(uri: &str) -> String {
        Ask::of(&Request::builder().uri(uri).body(Bytes::new()).unwrap()).template()
    }

    #[test]
    fn paths_lead_to_objects() {
        for (uri, expected) in [
            ("/api/v1/nodes?limit=1", "/api/v1/nodes"),
            ("/api/v1/nodes?watch=true", "/api/v1/watch/nodes"),
            ("/api/v1/nodes/n1/status", "/api/v1/nodes/{id}/status"),
            ("/api/v1/namespaces/kube-system", "/api/v1/namespaces/{id}"),
            ("/api/v1/namespaces/kube-system/status", "/api/v1/namespaces/{id}/status"),
            ("/api/v1/namespaces/web/services/a", "/api/v1/namespaces/{id}/services/{id}"),
            (
                "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x",
                "/apis/coordination.k8s.io/v1/namespaces/{id}/leases/{id}",
            ),
        ] {
            assert_eq!(template(uri), expected);
        }
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in
            ["/", "/api/v1/services/a", "/api/v1/leases", "/api/v1/nodes/n/token", "/api/v1/nodes/n/status/x"]
        {
            assert!(matches!(place(path), Place::Nowhere), "{path}");
        }
        assert!(matches!(place("/apis/authentication.k8s.io/v1/tokenreviews"), Place::Review(Review::Token)));
        assert!(matches!(place("/version"), Place::Server));
    }

    #[test]
    fn the_query_is_decoded() {
        let query = query("fieldSelector=metadata.name%3Dkubernetes&watch=1&x");
        assert_eq!(query["fieldSelector"], "metadata.name=kubernetes");
        assert_eq!(query["x"], "");
    }
}
