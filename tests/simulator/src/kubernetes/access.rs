//! Who a request is from and what they may do: users and rules as plain data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::route::{Ask, Place};
use super::selector::Selector;

/// Members may do everything.
const MASTERS: &str = "system:masters";

/// Whom tokens are for.
pub(crate) const AUDIENCE: &str = "https://kubernetes.default.svc";

/// Somebody who sends requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `system:serviceaccount:kube-system:cloud-controller-manager`.
    pub name: String,
    /// Identity.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl User {
    /// A service account.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: format!("uid-of-{namespace}-{name}"),
            groups: vec![
                "system:serviceaccounts".into(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".into(),
            ],
        }
    }

    /// Somebody who may do everything.
    pub fn administrator() -> Self {
        Self {
            name: "admin".into(),
            uid: String::new(),
            groups: vec![MASTERS.into(), "system:authenticated".into()],
        }
    }

    fn anonymous() -> Self {
        Self {
            name: "system:anonymous".into(),
            uid: String::new(),
            groups: vec!["system:unauthenticated".into()],
        }
    }
}

/// What is allowed. `*` stands for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// API groups, the core group being the empty one.
    pub groups: Vec<String>,
    /// Resources, with subresource where there is one: `services/status`.
    pub resources: Vec<String>,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verbs: Vec<String>,
    /// Only these objects; all if empty.
    pub names: Vec<String>,
    /// Paths that are no resources, perhaps with `*` at the end.
    pub paths: Vec<String>,
    /// Only in this namespace: the rule comes from a Role, not from a `ClusterRole`.
    pub namespace: Option<String>,
}

impl Rule {
    /// From an entry of `rules` of a Role or `ClusterRole`.
    pub fn from_json(rule: &Value, namespace: Option<&str>) -> Self {
        let list = |key: &str| {
            let values = rule[key].as_array().into_iter().flatten().filter_map(Value::as_str);
            values.map(str::to_owned).collect()
        };
        Self {
            groups: list("apiGroups"),
            resources: list("resources"),
            verbs: list("verbs"),
            names: list("resourceNames"),
            paths: list("nonResourceURLs"),
            namespace: namespace.map(str::to_owned),
        }
    }

    fn allows(&self, what: &Attributes) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|one| one == "*" || one == value);
        if !has(&self.verbs, &what.verb) {
            return false;
        }
        if what.resource.is_empty() {
            return self.paths.iter().any(|path| match path.strip_suffix('*') {
                Some(start) => what.path.starts_with(start),
                None => *path == what.path,
            });
        }
        has(&self.groups, &what.group)
            && has(&self.resources, &what.resource)
            && (self.names.is_empty() || self.names.contains(&what.name))
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == what.namespace)
    }
}

/// What a request wants, as rules see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With subresource; empty for paths that are no resources.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) path: String,
}

impl Attributes {
    pub(crate) fn of(ask: &Ask) -> Self {
        let method = ask.method.as_str();
        match &ask.place {
            Place::Objects { kind, namespace, name, subresource } => {
                let collection = name.is_empty();
                let verb = match method {
                    "GET" | "HEAD" if collection && ask.flag("watch") => "watch",
                    "GET" | "HEAD" if collection => "list",
                    "GET" | "HEAD" => "get",
                    "POST" => "create",
                    "PUT" => "update",
                    "PATCH" => "patch",
                    "DELETE" if collection => "deletecollection",
                    "DELETE" => "delete",
                    other => other,
                };
                let slash = if subresource.is_empty() { "" } else { "/" };
                // A list of one name counts as a request for that object.
                let selected = Selector::parse(kind, "", ask.parameter("fieldSelector")).ok();
                let selected = selected.as_ref().and_then(Selector::name).unwrap_or_default();
                let namespace = if kind.plural == "namespaces" { name } else { namespace };
                Self {
                    verb: verb.into(),
                    group: kind.group.into(),
                    resource: format!("{}{slash}{subresource}", kind.plural),
                    namespace: namespace.clone(),
                    name: if collection { selected.to_owned() } else { name.clone() },
                    path: ask.path.clone(),
                }
            }
            Place::Review(review) => {
                let (group, resource) = review.resource();
                let verb = if method == "POST" { "create" } else { "get" };
                let own = str::to_owned;
                Self {
                    verb: own(verb),
                    group: own(group),
                    resource: own(resource),
                    path: ask.path.clone(),
                    ..Self::default()
                }
            }
            Place::Server | Place::Nowhere => {
                Self { verb: method.to_lowercase(), path: ask.path.clone(), ..Self::default() }
            }
        }
    }

    fn forbidden(&self, user: &User) -> Refusal {
        let (user, verb) = (&user.name, &self.verb);
        let what = if self.resource.is_empty() {
            format!("User {user:?} cannot {verb} path {:?}", self.path)
        } else {
            let place = if self.namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {:?}", self.namespace)
            };
            format!(
                "User {user:?} cannot {verb} resource {:?} in API group {:?} {place}",
                self.resource, self.group
            )
        };
        let resource = self.resource.split('/').next().unwrap_or_default();
        Refusal::forbidden(&self.group, resource, &self.name, &what)
    }
}

/// All users and rules.
#[derive(Default)]
pub(crate) struct Access {
    /// By token, with its end.
    users: BTreeMap<String, (User, Option<Timestamp>)>,
    /// By the user's name.
    rules: BTreeMap<String, Vec<Rule>>,
}

impl Access {
    pub(crate) fn add(&mut self, token: &str, user: User, until: Option<Timestamp>) {
        self.users.insert(token.to_owned(), (user, until));
    }

    pub(crate) fn revoke(&mut self, token: &str) {
        self.users.remove(token);
    }

    pub(crate) fn grant(&mut self, user: &str, rules: impl IntoIterator<Item = Rule>) {
        self.rules.entry(user.to_owned()).or_default().extend(rules);
    }

    pub(crate) fn revoke_rules(&mut self, user: &str) {
        self.rules.remove(user);
    }

    /// The bearer of a token, unless it is unknown or has ended.
    pub(crate) fn bearer(&self, token: &str, now: Timestamp) -> Option<&User> {
        let (user, until) = self.users.get(token)?;
        until.is_none_or(|until| now < until).then_some(user)
    }

    /// Who asks. Without a token it is the administrator: tests reach the server without ceremony.
    pub(crate) fn authenticate(&self, ask: &Ask, now: Timestamp) -> Result<User, Refusal> {
        match &ask.token {
            None => Ok(User::administrator()),
            Some(token) => self.bearer(token, now).cloned().ok_or_else(Refusal::unauthorized),
        }
    }

    pub(crate) fn allows(&self, user: &User, what: &Attributes) -> bool {
        // What the default roles let everybody do.
        let open = ["/version", "/readyz", "/livez", "/healthz"];
        let free = what.resource.is_empty() && what.verb == "get" && open.contains(&what.path.as_str());
        free || user.groups.iter().any(|group| group == MASTERS)
            || self.rules.get(&user.name).into_iter().flatten().any(|rule| rule.allows(what))
    }

    pub(crate) fn authorize(&self, user: &User, ask: &Ask) -> Result<(), Refusal> {
        let what = Attributes::of(ask);
        if self.allows(user, &what) { Ok(()) } else { Err(what.forbidden(user)) }
    }

    /// The answer to a `TokenReview`.
    pub(crate) fn review_token(&self, review: &Value, now: Timestamp) -> Value {
        let token = review["spec"]["token"].as_str().unwrap_or_default();
        let status = match self.bearer(token, now) {
            Some(user) => json!({"authenticated": true, "user": {
                "username": user.name, "uid": user.uid, "groups": user.groups
            }, "audiences": [AUDIENCE]}),
            None => json!({"user": {}, "error": "invalid bearer token"}),
        };
        let mut answer = review.clone();
        answer["metadata"] = json!({});
        answer["status"] = status;
        answer
    }

    /// The answer to a `SubjectAccessReview`.
    pub(crate) fn review_access(&self, review: &Value) -> Value {
        let spec = &review["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let groups = spec["groups"].as_array().into_iter().flatten().map(text).collect();
        let named = text(&spec["user"]);
        let user = if named.is_empty() {
            User::anonymous()
        } else {
            User { name: named, uid: String::new(), groups }
        };
        let (path, object) = (&spec["nonResourceAttributes"], &spec["resourceAttributes"]);
        let what = if path.is_object() {
            Attributes { verb: text(&path["verb"]), path: text(&path["path"]), ..Attributes::default() }
        } else {
            Attributes {
                verb: text(&object["verb"]),
                group: text(&object["group"]),
                resource: text(&object["resource"]),
                namespace: text(&object["namespace"]),
                name: text(&object["name"]),
                path: String::new(),
            }
        };
        let mut answer = review.clone();
        answer["metadata"] = json!({});
        answer["status"] = json!({"allowed": self.allows(&user, &what)});
        answer
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;

    use super::*;

    fn ask(method: &str, uri: &str) -> Ask {
        Ask::of(&Request::builder().method(method).uri(uri).body(Bytes::new()).unwrap())
    }

    fn rule(resource: &str, verb: &str) -> Rule {
        let own = |text: &str| vec![text.to_owned()];
        Rule { groups: own(""), resources: own(resource), verbs: own(verb), ..Rule::default() }
    }

    fn message(access: &Access, user: &User, method: &str, uri: &str) -> String {
        access
            .authorize(user, &ask(method, uri))
            .map_or_else(|refusal| refusal.message, |()| "allowed".into())
    }

    #[test]
    fn what_no_rule_allows_is_forbidden_in_the_real_words() {
        let (mut access, user) = (Access::default(), User::service_account("kube-system", "ccm"));
        access.grant(&user.name, [rule("nodes", "list"), rule("services/status", "patch")]);
        assert_eq!(message(&access, &user, "GET", "/api/v1/nodes"), "allowed");
        assert_eq!(message(&access, &user, "PATCH", "/api/v1/namespaces/a/services/b/status"), "allowed");
        assert_eq!(
            message(&access, &user, "PATCH", "/api/v1/namespaces/a/services/b"),
            "services \"b\" is forbidden: User \"system:serviceaccount:kube-system:ccm\" cannot patch resource \
             \"services\" in API group \"\" in the namespace \"a\""
        );
        assert_eq!(
            message(&access, &user, "GET", "/api/v1/nodes?watch=1"),
            "nodes is forbidden: User \"system:serviceaccount:kube-system:ccm\" cannot watch resource \"nodes\" in \
             API group \"\" at the cluster scope"
        );
    }

    #[test]
    fn a_role_ends_at_its_namespace_and_names_limit() {
        let (mut access, user) = (Access::default(), User::service_account("a", "b"));
        let lease = Rule {
            groups: vec!["coordination.k8s.io".into()],
            names: vec!["ccm".into()],
            namespace: Some("kube-system".into()),
            ..rule("leases", "get")
        };
        access.grant(&user.name, [lease]);
        let leases = |namespace: &str, name: &str| {
            let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}");
            message(&access, &user, "GET", &path) == "allowed"
        };
        assert!(leases("kube-system", "ccm"));
        assert!(!leases("kube-system", "other") && !leases("default", "ccm"));
    }

    #[test]
    fn a_list_of_one_name_needs_the_right_to_that_name_only() {
        let (mut access, user) = (Access::default(), User::service_account("a", "b"));
        access.grant(&user.name, [Rule { names: vec!["kubernetes".into()], ..rule("services", "list") }]);
        let list = "/api/v1/namespaces/default/services";
        assert_ne!(message(&access, &user, "GET", list), "allowed");
        let one = format!("{list}?fieldSelector=metadata.name%3Dkubernetes");
        assert_eq!(message(&access, &user, "GET", &one), "allowed");
    }

    #[test]
    fn reviews_tell_users_and_rights() {
        let (mut access, user) = (Access::default(), User::service_account("a", "b"));
        let now = Timestamp::UNIX_EPOCH;
        access.add("secret", user.clone(), Some(Timestamp::MAX));
        access.grant(
            &user.name,
            [Rule { verbs: vec!["get".into()], paths: vec!["/metrics".into()], ..Rule::default() }],
        );
        let told = access.review_token(&json!({"spec": {"token": "secret"}}), now);
        assert_eq!(told["status"]["user"]["username"], json!(user.name));
        assert_eq!(
            access.review_token(&json!({"spec": {"token": "x"}}), now)["status"]["authenticated"],
            Value::Null
        );
        let may = |user: &str, path: &str| {
            let attributes = json!({"verb": "get", "path": path});
            access.review_access(&json!({"spec": {"user": user, "nonResourceAttributes": attributes}}))["status"]
                ["allowed"]
                == true
        };
        assert!(may(&user.name, "/metrics"));
        assert!(!may(&user.name, "/configz") && !may("system:anonymous", "/metrics"));
    }
}
